import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.table import read_utterance_table
from merflow.corpus.synthetic.table_plan import plan_readings
from merflow.corpus.synthetic.table_release import synthesize_table
from merflow.errors import CorpusError, OutputError


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_table_is_read_as_it_was_planned(tiny_table: Path) -> None:
    manifest = read_utterance_table(tiny_table, taxonomy=taxonomy("iemocap4"))
    rows = manifest.rows.set_index("utterance_id")
    readings = plan_readings("tiny", 0)
    assert manifest.corpus == "synthetic-table"
    assert len(readings) == len(rows) == 140
    for reading in readings:
        row = rows.loc[reading.utterance_id]
        assert (row["speaker"], row["gender"]) == (reading.name, reading.speaker.letter)
        assert (row["session"], row["emotion_raw"]) == (f"Session{reading.session}", reading.emotion)
        assert (row["transcript"], row["rate_hz"]) == (reading.text, 16_000)
        assert row["dialogue_id"] == reading.utterance_id
        assert row["n_samples"] == pytest.approx(reading.duration_s * 16_000, abs=2)
    assert "SYNTHETIC" in (tiny_table.parent / "README.txt").read_text(encoding="ascii")


def test_everybody_reads_every_sentence_in_every_emotion(tiny_table: Path) -> None:
    with tiny_table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    emotions = {"angry", "disgusted", "fearful", "happy", "neutral", "other", "sad"}
    sexes = {row["speaker"]: row["gender"] for row in rows}
    assert Counter(sexes.values()) == {"F": 5, "M": 5}
    assert len({(row["session"], row["gender"]) for row in rows}) == 10
    sentences = {row["transcript"] for row in rows}
    assert len(sentences) == 2
    assert Counter((row["speaker"], row["transcript"], row["emotion"]) for row in rows) == dict.fromkeys(
        ((speaker, sentence, emotion) for speaker in sexes for sentence in sentences for emotion in emotions), 1
    )


def test_nothing_is_above_4_khz_and_the_level_shows_no_emotion(tiny_table: Path, tiny_release: Path) -> None:
    """The generated release, for comparison, has loud anger and sound up to 8 kHz."""
    levels: dict[str, list[float]] = {}
    for reading in plan_readings("tiny", 0):
        samples, rate_hz = soundfile.read(tiny_table.parent / f"wav/{reading.utterance_id}.wav")
        assert rate_hz == 16_000
        assert share_above_4_khz(samples) < 0.01
        levels.setdefault(reading.emotion, []).append(20 * np.log10(samples.std()))
    means = {emotion: float(np.mean(of)) for emotion, of in levels.items()}
    assert len(means) == 7
    assert max(means.values()) - min(means.values()) < 2
    recordings = sorted(tiny_release.glob("Session*/sentences/wav/Ses*/Ses*.wav"))
    assert len(recordings) == 70
    assert np.mean([share_above_4_khz(soundfile.read(path)[0]) for path in recordings]) > 0.03


def share_above_4_khz(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[np.fft.rfftfreq(len(samples), 1 / 16_000) > 4_050].sum() / power.sum())


def test_the_speakers_are_not_those_of_the_generated_release() -> None:
    from merflow.corpus.synthetic.plan import plan

    acted = {actor.pitch_hz for dialogue in plan("tiny", 0) for actor in dialogue.actors.values()}
    read = {reading.speaker.pitch_hz for reading in plan_readings("tiny", 0)}
    assert (len(acted), len(read)) == (10, 10)
    assert not acted & read


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(tiny_table: Path, tmp_path: Path) -> None:
    again = synthesize_table(tmp_path / "again", size="tiny", workers=2)
    assert digests(again.parent) == digests(tiny_table.parent)
    assert len(digests(again.parent)) == 143
    before = again.stat().st_mtime_ns
    assert synthesize_table(again.parent, size="tiny") == again
    assert again.stat().st_mtime_ns == before
    assert json.loads((again.parent / "SYNTHETIC.json").read_text())["format"] == "table"


def test_another_seed_gives_other_voices_and_the_same_sentences() -> None:
    first, second = plan_readings("tiny", 0), plan_readings("tiny", 1)
    assert [reading.text for reading in first] == [reading.text for reading in second]
    assert all(one.speaker != two.speaker for one, two in zip(first, second, strict=True))


def test_sizes_differ_in_their_sentences() -> None:
    sizes = {size: plan_readings(size, 0) for size in ("tiny", "small", "full")}
    assert {size: len(readings) for size, readings in sizes.items()} == {"tiny": 140, "small": 350, "full": 700}
    assert {size: len({each.text for each in readings}) for size, readings in sizes.items()} == {
        "tiny": 2,
        "small": 5,
        "full": 10,
    }


def test_unknown_sizes_and_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="unknown size 'demo' of a synthetic table"):
        synthesize_table(tmp_path, size="demo")
    with pytest.raises(CorpusError, match="the seed of a synthetic release is 0 or more, not -1"):
        synthesize_table(tmp_path, size="tiny", seed=-1)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="is not empty and contains no synthetic release"):
        synthesize_table(tmp_path, size="tiny")
