"""Segments as CSV: every value comes back."""

import csv
from pathlib import Path

import pytest

from merflow.serving.exports.table import write_csv
from tests.serving.results import CLASSES, SEGMENTS, results


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_segment_is_a_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "segments.csv", results())
    found = rows(tmp_path / "segments.csv")
    assert len(found) == len(SEGMENTS)
    assert [row["answer"] for row in found] == ["angry", "not sure", "", "sad", "neutral"]
    assert [row["emotion"] for row in found] == ["angry", "happy", "", "sad", "neutral"]
    assert [row["text"] for row in found] == [segment.text for segment in SEGMENTS]
    assert (found[0]["start_s"], found[0]["end_s"], found[0]["probability"]) == ("1.000", "3.000", "0.900000")
    assert (found[1]["possible"], found[1]["smoothed_answer"]) == ("angry; happy", "not sure")
    assert (found[2]["refusal"], found[2]["p_angry"], found[2]["smoothed_sad"]) == ("it cannot be read", "", "")
    assert (found[3]["warnings"], found[3]["modalities"]) == ("short: 0.75 s, below 1.5 s", "audio; text")
    assert sum(float(found[0][f"p_{name}"]) for name in CLASSES) == pytest.approx(1)
    assert sum(float(found[0][f"smoothed_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-5)


def test_a_recording_without_speech_has_a_head_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "segments.csv", results(()))
    assert (tmp_path / "segments.csv").read_text(encoding="utf-8").startswith("start_s,end_s,answer,emotion,")
    assert rows(tmp_path / "segments.csv") == []
