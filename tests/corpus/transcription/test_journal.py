import json
from pathlib import Path

import pytest

from merflow.corpus.transcription.journal import open_journal
from merflow.errors import CorpusError


def test_added_texts_survive_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with open_journal(path, model="m") as journal:
        assert journal.texts == {}
        journal.add({"a": "well", "b": ""})
        journal.add({"c": "das wüsst ich"})
    with open_journal(path, model="m") as journal:
        assert journal.texts == {"a": "well", "b": "", "c": "das wüsst ich"}


def test_models_do_not_share_texts(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for model in ("one", "other"):
        with open_journal(path, model=model) as journal:
            assert journal.texts == {}
            journal.add({"a": model})
    with open_journal(path, model="one") as journal:
        assert journal.texts == {"a": "one"}


def test_a_journal_torn_at_any_byte_loses_the_torn_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with open_journal(path, model="m") as journal:
        journal.add({"a": "well"})
        whole = len(path.read_bytes())
        journal.add({"b": "wüsst ich"})
    content = path.read_bytes()
    for end in range(whole + 1, len(content)):
        path.write_bytes(content[:end])
        with open_journal(path, model="m") as journal:
            lost = end < len(content) - 1  # a line that lacks only its end is whole
            assert journal.texts == ({"a": "well"} if lost else {"a": "well", "b": "wüsst ich"})
            journal.add({"c": "no"})
        with open_journal(path, model="m") as journal:
            assert {"a": "well", "c": "no"}.items() <= journal.texts.items()
    assert len(content) - whole > 30


def test_lines_that_are_not_entries_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    good = json.dumps({"audio": "a", "model": "m", "text": "well"})
    bad = ["3", "[]", '{"model": "m"}', "", '{"model": "m", "audio": 3, "text": null}', "{"]
    path.write_text("\n".join([*bad, good, *bad]), encoding="utf-8")

    with open_journal(path, model="m") as journal:
        assert journal.texts == {"a": "well"}


def test_one_process_at_a_time_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with (
        open_journal(path, model="m"),
        pytest.raises(CorpusError, match=r"journal.jsonl is in use by another transcription; wait for it"),
        open_journal(path, model="m"),
    ):
        pass
