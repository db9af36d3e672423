"""Segments as a label track: Audacity's three columns, and nothing that breaks a line."""

from pathlib import Path

from merflow.serving.exports.audacity import write_labels
from tests.serving.results import SEGMENTS, results, score_results


def test_labels_are_read_back(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.txt", results())
    lines = [line.split("\t") for line in (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines()]
    assert [(float(start), float(end)) for start, end, _ in lines] == [(each.start_s, each.end_s) for each in SEGMENTS]
    assert [label for _, _, label in lines] == [
        "angry",
        "not sure (angry or happy)",
        "no prediction",
        "sad",
        "neutral",
    ]


def test_a_recording_without_speech_has_no_labels(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.txt", results(()))
    assert (tmp_path / "labels.txt").read_bytes() == b""


def test_scores_are_labels_with_their_interval(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.txt", score_results())
    lines = (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[2] for line in lines] == [
        "-2.6 (-3.0 to -1.7)",
        "not sure: 0.0 (-0.9 to 0.9)",
        "no prediction",
        "1.2 (0.3 to 2.1)",
        "2.0 (1.1 to 2.9)",
    ]
