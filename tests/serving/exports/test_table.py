"""Segments as CSV: every value comes back."""

import csv
from pathlib import Path

import pytest

from merflow.serving.exports.table import write_csv
from tests.serving.results import CLASSES, SCORED, SEGMENTS, results, score_results, scored


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


def test_each_score_is_a_row_with_its_interval(tmp_path: Path) -> None:
    write_csv(tmp_path / "segments.csv", score_results())
    found = rows(tmp_path / "segments.csv")
    assert list(found[0]) == [
        *("start_s", "end_s", "answer", "score", "low", "high", "abstained", "smoothed_answer", "smoothed_score"),
        *("text", "modalities", "warnings", "refusal"),
    ]
    assert [row["answer"] for row in found][:3] == ["-2.6 (-3.0 to -1.7)", "not sure: 0.0 (-0.9 to 0.9)", ""]
    assert [row["abstained"] for row in found] == ["false", "true", "", "false", "false"]
    assert (found[0]["score"], found[0]["low"], found[0]["high"]) == ("-2.600000", "-3.000000", "-1.700000")
    assert (found[2]["refusal"], found[2]["smoothed_score"]) == ("it cannot be read", "")
    assert -2.6 < float(found[0]["smoothed_score"]) < 2.0
    assert len(found) == len(SCORED)


def test_scores_of_a_model_without_calibration_have_no_interval(tmp_path: Path) -> None:
    write_csv(tmp_path / "segments.csv", score_results((scored(0, 1, 0.5, None),), calibrated=False))
    (row,) = rows(tmp_path / "segments.csv")
    assert (row["answer"], row["low"], row["high"], row["abstained"]) == ("0.5", "", "", "")
