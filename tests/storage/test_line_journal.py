"""A journal of lines: complete after a crash, and one writer at a time."""

from pathlib import Path

import pytest

from merflow.errors import MerflowError
from merflow.storage.line_journal import open_line_journal

BUSY = MerflowError("it is busy; wait")


def entries(path: Path) -> list[object]:
    with open_line_journal(path, busy=BUSY) as journal:
        return list(journal.entries)


def test_what_was_added_is_there_next_time(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with open_line_journal(path, busy=BUSY) as journal:
        assert journal.entries == ()
        journal.add([{"a": 1}, {"b": "grün"}])
        journal.add([])
    assert entries(path) == [{"a": 1}, {"b": "grün"}]


@pytest.mark.parametrize("torn", [b'{"c": ', b"{", b"\xff\xfe"])
def test_a_torn_line_is_skipped_and_ended(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"a": 1}\n' + torn)
    with open_line_journal(path, busy=BUSY) as journal:
        assert journal.entries == ({"a": 1},)
        journal.add([{"b": 2}])
        journal.add([{"c": 3}])
    assert entries(path) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with open_line_journal(path, busy=BUSY), pytest.raises(MerflowError, match="it is busy; wait"):
        entries(path)
    assert entries(path) == []
