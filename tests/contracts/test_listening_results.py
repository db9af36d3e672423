"""The results of listening: they are read back as written, and totals follow from the segments."""

from pathlib import Path

import pytest

from merflow.contracts.heard import NOT_SURE
from merflow.contracts.listening_results import LISTENING, read_listening, write_listening
from merflow.errors import FormatError
from tests.serving.results import SEGMENTS, results


def test_results_are_read_back(tmp_path: Path) -> None:
    written = results()
    write_listening(tmp_path, written)
    assert read_listening(tmp_path) == written


def test_totals_follow_from_the_segments() -> None:
    found = results()
    assert found.speech_s == pytest.approx(2 + 5 + 0.5 + 0.75 + 5)
    assert found.seconds_of == {"angry": 2.0, "happy": 0.0, "neutral": 5.0, "sad": 0.75, NOT_SURE: 5.0}
    assert list(found.seconds_of)[-1] == NOT_SURE
    assert [segment.answer for segment in SEGMENTS] == ["angry", NOT_SURE, "", "sad", "neutral"]


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*listening\.json .*; run merflow listen again"):
        read_listening(tmp_path)
    write_listening(tmp_path, results())
    path = tmp_path / LISTENING
    path.write_text(
        path.read_text(encoding="utf-8").replace('"duration_s": 20.0', '"duration_s": "long"'), encoding="utf-8"
    )
    with pytest.raises(FormatError, match="is damaged; run merflow listen again"):
        read_listening(tmp_path)
