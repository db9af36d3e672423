import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.plan import plan
from merflow.corpus.synthetic.ratings import LABEL_NAMES, majority, panel, rate
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import CorpusError, OutputError

SEED = 7
SUMMARY = re.compile(r"^\[(\d+\.\d{4}) - (\d+\.\d{4})\]\t(\S+)\t([a-z]{3})\t\[(\d\.\d{4}), (\d\.\d{4}), (\d\.\d{4})\]$")
CATEGORY = re.compile(r"^C-([EFM]\d):\t((?:\w+;)(?: \w+;)*)\t\((.*)\)$")
ATTRIBUTES = re.compile(r"^A-([EFM]\d):\tval (\d); act (\d); dom  (\d);\t\((.*)\)$")
TIMED = re.compile(r"^(\S+) \[(\d{3}\.\d{4})-(\d{3}\.\d{4})\]: (.*)$")


@pytest.fixture(scope="module")
def planned() -> tuple[Dialogue, ...]:
    return plan("tiny", SEED)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(tmp_path_factory.mktemp("release") / "tiny", size="tiny", seed=SEED, video=False)


def session(root: Path, dialogue: Dialogue) -> Path:
    return root / f"Session{dialogue.name.session}"


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_kind_of_file_is_there(tiny: Path) -> None:
    files = [path for path in tiny.rglob("*") if path.is_file()]
    real = Counter(path.parent.name + path.suffix for path in files if not path.name.startswith("._"))
    assert real["EmoEvaluation.txt"] == 10
    assert real["transcriptions.txt"] == 10
    assert real["wav.wav"] == 10
    assert real["Ses03_M.lab"] == 2
    assert real["Self-evaluation.txt"] == 40
    assert real["Categorical.txt"] == real["Categorical.anvil"] >= 30
    assert real["Attribute.txt"] == real["Attribute.anvil"] >= 20
    cuts = [path for path in files if path.parts[-3] == "wav" and not path.name.startswith("._")]
    assert len(cuts) == 70
    for kind in ("wdseg", "phseg", "syseg"):
        assert sum(path.suffix == f".{kind}" for path in files) == 70
    assert sum(path.name.startswith("._") for path in files) == 30
    assert {path.name for path in files if path.parent.parent.name == "sentences"} == {".DS_Store", "desktop.ini"}
    assert "SYNTHETIC" in (tiny / "README.txt").read_text(encoding="ascii")


def test_decoys_are_not_text(tiny: Path) -> None:
    decoys = sorted(tiny.rglob("EmoEvaluation/._*.txt"))
    assert len(decoys) == 10
    for decoy in decoys:
        with pytest.raises(UnicodeDecodeError):
            decoy.read_text(encoding="utf-8")


def test_labels_are_the_raters_majority_and_mean(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    seen = 0
    for dialogue in planned:
        text = (session(tiny, dialogue) / "dialog/EmoEvaluation" / f"{dialogue.name}.txt").read_text(encoding="latin-1")
        header, blocks = text.split("\n\n", 1)
        assert header == "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
        assert text.endswith("\n\n")
        names = []
        for block in blocks.strip().split("\n\n"):
            summary, *lines = block.split("\n")
            match = SUMMARY.match(summary)
            assert match, summary
            names.append(match[3])
            categories = [found for line in lines if (found := CATEGORY.match(line))]
            attributes = [found for line in lines if (found := ATTRIBUTES.match(line))]
            assert len(categories) + len(attributes) == len(lines)
            external = [found for found in categories if found[1].startswith("E")]
            assert len(external) >= 3
            assert categories[-1][1] == attributes[-1][1] == f"{match[3][-4]}{dialogue.name.session}"
            codes = {name: code for code, name in LABEL_NAMES.items()}
            votes = [[codes[label] for label in found[2].rstrip(";").split("; ")] for found in external]
            assert majority(votes) == match[4]
            affect = np.array([[int(found[k]) for k in (2, 3, 4)] for found in attributes if found[1].startswith("E")])
            assert len(affect) >= 2
            assert [f"{mean:.4f}" for mean in affect.mean(axis=0)] == [match[5], match[6], match[7]]
            seen += 1
        assert names == sorted(names)  # all F turns, then all M turns
    assert seen == 70


def test_majority_needs_more_than_half_of_the_raters() -> None:
    assert majority([("ang",), ("ang", "fru"), ("sad",)]) == "ang"
    assert majority([("ang",), ("ang",), ("sad",), ("sad",)]) == "xxx"
    assert majority([("ang", "fru"), ("ang", "fru"), ("sad",)]) == "xxx"
    assert majority([("ang",), ("fru",), ("sad",)]) == "xxx"


def test_raters_of_every_label_agree_with_it() -> None:
    turns = [turn for dialogue in plan("small", 0) for turn in dialogue.turns]
    rng = np.random.default_rng(0)
    for turn in turns:
        ratings = rate(turn, panel(rng), session=1, rng=rng)
        votes = [category.labels for category in ratings.categories if category.rater.startswith("E")]
        assert majority(votes) == turn.code
    assert len(turns) > 850


def test_transcripts_hold_every_turn_and_the_lines_without_label(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    bare = unlabelled = labelled = 0
    for dialogue in planned:
        path = session(tiny, dialogue) / "dialog/transcriptions" / f"{dialogue.name}.txt"
        texts = {turn.utterance_id: turn for turn in dialogue.turns}
        for line in path.read_text(encoding="ascii").splitlines():
            match = TIMED.match(line)
            if match is None:
                assert re.match(r"^[FM]: ", line)
                bare += 1
            elif "XX" in match[1]:
                unlabelled += 1
            else:
                turn = texts.pop(match[1])
                assert (float(match[2]), float(match[3]), match[4]) == (turn.start_s, turn.end_s, turn.text)
                labelled += 1
        assert not texts
    assert (labelled, unlabelled) == (70, 2)
    assert bare > 0


def test_cuts_equal_their_slice_of_the_dialogue(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    short = seen = 0
    for dialogue in planned:
        whole, rate_hz = soundfile.read(session(tiny, dialogue) / "dialog/wav" / f"{dialogue.name}.wav", dtype="int16")
        assert (whole.shape[1], rate_hz) == (2, 16_000)
        for turn in dialogue.turns:
            path = session(tiny, dialogue) / "sentences/wav" / str(dialogue.name) / f"{turn.utterance_id}.wav"
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype, info.frames) == (16_000, 1, "PCM_16", turn.samples)
            assert path.stat().st_size == 44 + 2 * turn.samples
            first = round(turn.start_s * 16_000)
            pair = whole[first : first + turn.samples].astype(np.int32)
            cut = soundfile.read(path, dtype="int16")[0]
            assert np.array_equal(cut, (pair[:, 0] + pair[:, 1]) >> 1)
            assert 50 < np.sqrt(np.mean(np.square(cut.astype(np.float64)))) < 20_000
            short += turn.samples < int((turn.end_s - turn.start_s) * 16_000 + 1e-6)
            seen += 1
    assert seen == 70
    assert 5 < short < 45


def test_left_channel_is_the_marker_wearer(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    louder = Counter[bool]()
    for dialogue in planned:
        whole = soundfile.read(session(tiny, dialogue) / "dialog/wav" / f"{dialogue.name}.wav")[0]
        for turn in dialogue.turns:
            power = np.square(whole[turn.first_sample : turn.first_sample + turn.samples]).sum(axis=0)
            louder[(power[0] > power[1]) == (turn.letter == dialogue.name.recording)] += 1
    assert louder[True] > 65


def test_alignments_cover_the_recording(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    seen = 0
    for dialogue in planned:
        for turn in dialogue.turns:
            folder = session(tiny, dialogue) / "sentences/ForcedAlignment" / str(dialogue.name)
            header, *rows, last = (folder / f"{turn.utterance_id}.wdseg").read_text(encoding="ascii").splitlines()
            assert header.split() == ["SFrm", "EFrm", "SegAScr", "Word"]
            assert last.startswith(" Total score:")
            table = [row.split() for row in rows]
            assert [int(b[0]) - int(a[1]) for a, b in pairwise(table)] == [1] * (len(table) - 1)
            assert abs(int(table[-1][1]) + 1 - turn.samples / 160) <= 2
            seen += 1
    assert seen == 70


def test_reader_finds_what_was_planned(tiny: Path, planned: tuple[Dialogue, ...]) -> None:
    rows = read_iemocap(tiny, taxonomy=taxonomy("iemocap4")).rows.set_index("utterance_id")
    turns = {turn.utterance_id: (dialogue, turn) for dialogue in planned for turn in dialogue.turns}
    assert set(rows.index) == set(turns)
    assert len(rows) == 70
    for utterance_id, row in rows.iterrows():
        dialogue, turn = turns[utterance_id]
        assert (row["emotion_raw"], row["start_s"], row["end_s"]) == (turn.code, turn.start_s, turn.end_s)
        assert row["n_samples"] == turn.samples
        assert row["video_side"] == ("left" if turn.letter == dialogue.name.recording else "right")
        assert row["scripted"] == dialogue.name.scripted


def test_bytes_do_not_depend_on_the_number_of_workers(tiny: Path, tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    again = synthesize(
        tmp_path / "again", size="tiny", seed=SEED, video=False, workers=2, progress=lambda *call: calls.append(call)
    )
    found = digests(tiny)
    assert len(found) > 500
    assert digests(again) == found
    assert calls == [("dialogues", done, 10) for done in range(1, 11)]


def test_other_seeds_give_other_sounds(tiny: Path, tmp_path: Path) -> None:
    other = digests(synthesize(tmp_path / "other", size="tiny", seed=SEED + 1, video=False))
    same = digests(tiny)
    sounds = [name for name in other.keys() & same.keys() if name.endswith(".wav") and "._" not in name]
    assert len(sounds) > 40
    assert not any(other[name] == same[name] for name in sounds)


def test_the_same_release_is_reused(tiny: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob("*")}
    assert synthesize(tiny, size="tiny", seed=SEED, video=False) == tiny
    assert {path: path.stat().st_mtime_ns for path in tiny.rglob("*")} == before
    assert json.loads((tiny / "SYNTHETIC.json").read_text(encoding="utf-8")) == {
        "size": "tiny",
        "seed": SEED,
        "generator_version": 2,
        "video": None,
    }


def test_another_release_is_left_alone(tiny: Path) -> None:
    with pytest.raises(OutputError, match=r"holds another release.*'seed': 7.*remove it, or choose another --out"):
        synthesize(tiny, size="tiny", seed=SEED + 1, video=False)


def test_foreign_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine", encoding="ascii")
    with pytest.raises(OutputError, match="not empty and contains no synthetic release"):
        synthesize(tmp_path, size="tiny", seed=0, video=False)
    with pytest.raises(OutputError, match="is a file"):
        synthesize(tmp_path / "thesis.tex", size="tiny", seed=0, video=False)
    assert (tmp_path / "thesis.tex").read_text(encoding="ascii") == "mine"


def test_unknown_sizes_and_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unknown size 'smal' of a synthetic release; did you mean 'small'"):
        synthesize(tmp_path / "x", size="smal", seed=0, video=False)
    with pytest.raises(CorpusError, match="the seed of a synthetic release is 0 or more, not -1"):
        synthesize(tmp_path / "x", size="tiny", seed=-1, video=False)


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        synthesize(tmp_path / "file" / "release", size="tiny", seed=0, video=False)


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from merflow.corpus.synthetic.release import synthesize\n"
        "if __name__ == '__main__':\n"
        f"    out = Path({str(tmp_path / 'out')!r})\n"
        "    synthesize(out, size='small', seed=0, video=False, workers=2,\n"
        "               progress=lambda *call: print(*call, flush=True))\n"
    )
    (tmp_path / "run.py").write_text(script, encoding="ascii")
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("dialogues 1")
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(timeout=60) != 0
    time.sleep(0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.py"]
