from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.taxonomy import TAXONOMIES
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.readers.iemocap_text import read_transcripts, read_turns
from merflow.errors import CorpusError, LabelError

IMPRO, SCRIPT = "Ses03M_impro05a", "Ses05F_script01_1"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def turn(utterance: str, start: float, end: float, code: str, ratings: str = "2.5000, 3.0000, 2.5000") -> str:
    raters = "C-E1:\tNeutral; Anger;\t([a, comment])\nC-F1:\tNeutral;\t()\nA-E1:\tval 3; act 3; dom  2;\t()\n"
    return f"[{start:.4f} - {end:.4f}]\t{utterance}\t{code}\t[{ratings}]\n{raters}\n"


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def wav(path: Path, samples: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(samples), 16000, subtype="PCM_16")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two dialogues with every oddity of the release."""
    root = tmp_path / "IEMOCAP_full_release"
    _improvised(root / "Session3")
    _scripted(root / "Session5")
    return root


def _improvised(session: Path) -> None:
    # The speakers one after the other, overlapping in time; a rater's comment that is not UTF-8.
    labels = (
        HEADER
        + turn(f"{IMPRO}_F000", 10.5, 12.25, "exc")
        + turn(f"{IMPRO}_F001", 20, 21.5, "xxx").replace("comment", "caf\xe9\x85 [odd")
        + turn(f"{IMPRO}_M000", 1.5, 4, "neu", "1.5000, 2.0000, 4.5000")
        + turn(f"{IMPRO}_M001", 12, 13, "fru")
    )
    folder = session / "dialog" / "EmoEvaluation"
    write(folder / f"{IMPRO}.txt", labels.encode("latin-1"))
    write(folder / f"._{IMPRO}.txt", b"\x00\x05\x16\x07\xb0")
    for kind, ending in (("Categorical", "e1_cat"), ("Attribute", "e1_atr"), ("Self-evaluation", "f3_cat")):
        write(folder / kind / f"{IMPRO}_{ending}.txt", f"{IMPRO}_F000 :Anger; ()\n")
    write(folder / "all" / f"{IMPRO}.txt", labels.encode("latin-1"))
    write(folder / "IEMOCAP_EmoEvaluation.txt", labels.encode("latin-1"))
    transcription = (
        f"{IMPRO}_M000 [001.5000-004.0000]: Well,  I said: no -- caf\xe9.\r\n"
        "M: Sure.\r\n"
        f"{IMPRO}_F000 [010.5000-012.2500]: [LAUGHTER]  You are [garbage] early.  \r\n"
        f"{IMPRO}_MXX0 [011.0000-011.2000]: That is what I said.\r\n"
        f"{IMPRO}_MXX0 [011.3000-011.4000]: \r\n"
        f"{IMPRO}_F001 [020.0000-021.5000]: [BREATHING] [LAUGHTER]\r\n"
        "F: Yes.\r\n"
    )
    write(session / "dialog" / "transcriptions" / f"{IMPRO}.txt", transcription.encode("latin-1"))
    write(session / "dialog" / "avi" / "DivX" / f"{IMPRO}.avi", b"RIFF")
    write(session / "dialog" / "avi" / "DivX" / f"._{SCRIPT}.avi", b"")
    for name, samples in (("F000", 27999), ("F001", 24000), ("M000", 40000)):
        wav(session / "sentences" / "wav" / IMPRO / f"{IMPRO}_{name}.wav", samples)
    write(session / "sentences" / "wav" / IMPRO / f"{IMPRO}_M001.wav", b"RIFF, then nothing of use")
    write(session / "sentences" / "wav" / IMPRO / f"._{IMPRO}_F000.wav", b"")
    write(session / "sentences" / "wav" / "notes.pk", b"")


def _scripted(session: Path) -> None:
    labels = HEADER + turn(f"{SCRIPT}_F000", 0, 1, "hap", "nan, NaN, 3") + turn(f"{SCRIPT}_M000", 0, 0.5, "sad")
    write(session / "dialog" / "EmoEvaluation" / f"{SCRIPT}.txt", labels.replace("\n", "\r\n"))


def read(root: Path, taxonomy: str = "iemocap4") -> Manifest:
    return read_iemocap(root, taxonomy=TAXONOMIES[taxonomy])


def label_file(release: Path) -> Path:
    return release / "Session5" / "dialog" / "EmoEvaluation" / f"{SCRIPT}.txt"


def test_all_turns_in_order_of_time(release: Path) -> None:
    found = read(release)
    rows = found.rows
    assert (found.root, found.corpus, found.taxonomy.name) == (release, "iemocap", "iemocap4")
    assert rows["corpus"].unique().tolist() == ["iemocap"]
    names = [f"{IMPRO}_{end}" for end in ("M000", "F000", "M001", "F001")] + [f"{SCRIPT}_M000", f"{SCRIPT}_F000"]
    assert rows["utterance_id"].tolist() == names
    assert rows["dialogue_id"].tolist() == [IMPRO] * 4 + [SCRIPT] * 2
    assert rows["turn_index"].tolist() == [0, 1, 2, 3, 0, 1]
    assert rows["start_s"].tolist() == [1.5, 10.5, 12.0, 20.0, 0.0, 0.0]
    assert rows["end_s"].tolist() == [4.0, 12.25, 13.0, 21.5, 0.5, 1.0]


def test_the_last_letter_speaks_and_the_first_is_on_the_left(release: Path) -> None:
    rows = read(release).rows
    assert rows["session"].tolist() == ["Session3"] * 4 + ["Session5"] * 2
    assert rows["speaker"].tolist() == ["Ses03_M", "Ses03_F", "Ses03_M", "Ses03_F", "Ses05_M", "Ses05_F"]
    assert rows["gender"].tolist() == ["M", "F", "M", "F", "M", "F"]
    assert rows["video_side"].tolist() == ["left", "right", "left", "right", "right", "left"]
    assert rows["scripted"].tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("taxonomy", "emotions"),
    [
        ("iemocap4", ["neutral", "happy", None, None, "sad", "happy"]),
        ("iemocap6", ["neutral", "excited", "frustrated", None, "sad", "happy"]),
    ],
)
def test_emotion_is_next_to_the_raw_label(release: Path, taxonomy: str, emotions: list[str | None]) -> None:
    rows = read(release, taxonomy).rows
    assert rows["emotion_raw"].tolist() == ["neu", "exc", "fru", "xxx", "sad", "hap"]
    assert [None if pd.isna(emotion) else emotion for emotion in rows["emotion"]] == emotions


def test_ratings(release: Path) -> None:
    rows = read(release).rows.set_index("utterance_id")
    assert rows.loc[f"{IMPRO}_M000", ["valence", "activation", "dominance"]].tolist() == [1.5, 2.0, 4.5]
    assert rows.loc[f"{SCRIPT}_F000", ["valence", "activation"]].isna().all()
    assert rows.loc[f"{SCRIPT}_F000", "dominance"] == 3.0


def test_transcripts_keep_their_tags(release: Path) -> None:
    rows = read(release).rows
    assert rows["transcript"].tolist()[:2] == ["Well, I said: no -- caf\xe9.", "[LAUGHTER] You are [garbage] early."]
    assert rows["transcript"].isna().tolist() == [False, False, True, False, True, True]
    assert rows.loc[3, "transcript"] == "[BREATHING] [LAUGHTER]"


def test_media(release: Path) -> None:
    rows = read(release).rows
    assert rows.loc[0, "audio_path"] == f"Session3/sentences/wav/{IMPRO}/{IMPRO}_M000.wav"
    assert rows["n_samples"].fillna(-1).tolist() == [40000, 27999, -1, 24000, -1, -1]
    assert rows["rate_hz"].fillna(-1).tolist() == [16000, 16000, -1, 16000, -1, -1]
    assert rows.loc[5, "audio_path"] == f"Session5/sentences/wav/{SCRIPT}/{SCRIPT}_F000.wav"
    assert rows["video_path"].tolist()[:4] == [f"Session3/dialog/avi/DivX/{IMPRO}.avi"] * 4
    assert rows["video_path"].isna().tolist() == [False] * 4 + [True] * 2


def test_the_parent_folder_will_do(release: Path) -> None:
    found = read(release.parent)
    assert found.root == release
    assert found.hash == read(release).hash


def test_the_hash_does_not_depend_on_the_place(release: Path, tmp_path: Path) -> None:
    before = read(release).hash
    moved = release.rename(tmp_path / "moved")
    assert read(moved).hash == before
    (moved / "Session3" / "dialog" / "transcriptions" / f"{IMPRO}.txt").unlink()
    assert read(moved).hash != before


def test_a_generated_release_says_so(release: Path) -> None:
    write(release / "SYNTHETIC.json", "{}")
    found = read(release)
    assert found.corpus == "synthetic"
    assert found.rows["corpus"].unique().tolist() == ["synthetic"]


def test_no_release(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such folder: .*none; pass the IEMOCAP_full_release folder"):
        read(tmp_path / "none")
    (tmp_path / "Session6").mkdir()
    with pytest.raises(CorpusError, match=r"is not an IEMOCAP release: it has no folder Session1 \.\. Session5"):
        read(tmp_path)
    write(tmp_path / "Session1", "a file, no folder")
    with pytest.raises(CorpusError, match="is not an IEMOCAP release"):
        read(tmp_path)


def test_a_session_without_labels(release: Path) -> None:
    session = release / "Session1"
    session.mkdir()
    with pytest.raises(CorpusError, match="Session1 has no folder dialog/EmoEvaluation"):
        read(release)
    write(session / "dialog" / "EmoEvaluation" / "._Ses01F_impro01.txt", b"")
    with pytest.raises(CorpusError, match=r"has no label file like Ses01F_impro01\.txt"):
        read(release)


def test_a_dialogue_without_turns(release: Path) -> None:
    write(label_file(release), HEADER)
    with pytest.raises(CorpusError, match=f"{SCRIPT}.txt lists no turn: it is empty or cut off"):
        read(release)


def test_a_dialogue_in_another_session(release: Path) -> None:
    label_file(release).rename(release / "Session3" / "dialog" / "EmoEvaluation" / f"{SCRIPT}.txt")
    with pytest.raises(CorpusError, match="belongs to Session5; move it there"):
        read(release)


@pytest.mark.parametrize(
    "line",
    [
        f"[0.0000 - 1.0000] {SCRIPT}_F000 neu [2.5, 3.0, 2.5]",
        f"[0.0000 - 1.0000]\t{SCRIPT}_F000\tneu\t[2.5000, 3.0000",
        f"[0.0000 - 1.0000]\t{SCRIPT}_F000\tneu\t[2..5, 3.0000, 1.0000]",
        f"[zero - 1.0000]\t{SCRIPT}_F000\tneu\t[2.5000, 3.0000, 1.0000]",
    ],
)
def test_a_malformed_summary_line(release: Path, line: str) -> None:
    write(label_file(release), HEADER + line + "\n")
    with pytest.raises(
        CorpusError, match=rf"{SCRIPT}\.txt line 3: malformed summary line '\[.*expected '\[start - end"
    ):
        read(release)


@pytest.mark.parametrize("utterance", [f"{SCRIPT}b_F000", f"{SCRIPT}_X000", f"{SCRIPT}_F00", f"{SCRIPT}_FXX0"])
def test_an_utterance_of_no_or_another_dialogue(release: Path, utterance: str) -> None:
    write(label_file(release), HEADER + turn(utterance, 0, 1, "neu"))
    with pytest.raises(CorpusError, match=f"line 3: '{utterance}' is not an utterance of dialogue {SCRIPT}"):
        read(release)


def test_a_duplicate_utterance(release: Path) -> None:
    write(label_file(release), HEADER + turn(f"{SCRIPT}_F000", 0, 1, "neu") + turn(f"{SCRIPT}_F000", 2, 3, "ang"))
    with pytest.raises(CorpusError, match=f"utterance {SCRIPT}_F000 is listed twice, in lines 3 and 8"):
        read(release)


def test_an_unknown_code(release: Path) -> None:
    write(label_file(release), HEADER + turn(f"{SCRIPT}_F000", 0, 1, "sda"))
    with pytest.raises(LabelError, match=rf"{SCRIPT}\.txt line 3 \({SCRIPT}_F000\): label 'sda' is not a known"):
        read(release)


def test_a_second_transcript(tmp_path: Path) -> None:
    path = tmp_path / f"{IMPRO}.txt"
    write(path, f"{IMPRO}_F000 [001.0-002.0]: Yes.\n{IMPRO}_F000 [001.0-002.0]: Yes. [LAUGHTER]\n")
    assert read_transcripts(path) == {f"{IMPRO}_F000": "Yes."}
    write(path, f"{IMPRO}_F000 [001.0-002.0]: Yes.\n{IMPRO}_F000 [001.0-002.0]: No.\n")
    with pytest.raises(CorpusError, match=f"line 2: a second, different transcript of {IMPRO}_F000"):
        read_transcripts(path)


def test_a_line_of_another_form_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / f"{IMPRO}.txt"
    write(path, f"\ufeff{IMPRO}_F000 [001.0-002.0]: Ja, schön.\nsome note\n")
    assert read_transcripts(path) == {f"{IMPRO}_F000": "Ja, schön."}


def test_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"cannot read .*: Is a directory"):
        read_turns(tmp_path)
