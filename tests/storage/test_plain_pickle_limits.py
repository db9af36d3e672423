"""Limits of a pickle: nesting, opcodes, the size of texts, and values that are used again."""

import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

from merflow.errors import CorpusError
from merflow.storage.plain_pickle import MOST_DEPTH, MOST_OPCODES
from tests.storage.pickles import PROTO, read


def test_a_container_that_is_used_again_is_refused(tmp_path: Path) -> None:
    laughs: Any = ["ha"]
    for _ in range(40):
        laughs = [laughs] * 10
    with pytest.raises(CorpusError, match="a list is used more than once"):
        read(tmp_path, pickle.dumps(laughs, protocol=4))
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(CorpusError, match="a list is used more than once"):
        read(tmp_path, pickle.dumps(itself, protocol=4))
    shared = ("ha", "ha")
    with pytest.raises(CorpusError, match="a tuple is used more than once"):
        read(tmp_path, pickle.dumps([shared, shared], protocol=4))


def test_a_text_counts_whenever_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a" * 500
    content = pickle.dumps([text] * 3, protocol=4)
    assert read(tmp_path, content) == [text] * 3
    monkeypatch.setattr("merflow.storage.plain_pickle.MOST_TEXT_BYTES", 1000)
    with pytest.raises(CorpusError, match=r"\(BINGET\): its texts have more than 1,000 bytes"):
        read(tmp_path, content)


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_content_of_arrays_is_not_used_again_and_again(tmp_path: Path, protocol: int) -> None:
    opcode = b"X" if protocol == 2 else b"B"
    content = b"(" + opcode + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\0" + b"h\0" * 2 + b"t."
    with pytest.raises(CorpusError, match=r"\(BINGET\): the content of arrays is used again and again"):
        read(tmp_path, b"\x80" + bytes([protocol]) + content)


@pytest.mark.parametrize(
    "content",
    [
        b"]" * 30_000 + b"a" * 29_999,
        b"(" * 30_000 + b"K\x01" + b"t" * 30_000,
        b"K\x01" + b"\x85" * 30_000,
        (b"}\x8c\x01x" * 30_000) + b"K\x01" + b"s" * 30_000,
    ],
    ids=["lists", "marks", "tuples", "dicts"],
)
def test_deep_nesting_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorpusError, match=f"nested more than {MOST_DEPTH} deep"):
        read(tmp_path, PROTO + content + b".")


def test_a_nested_tuple_as_key_is_refused_before_it_is_hashed(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="a dict has a tuple as key"):
        read(tmp_path, PROTO + b"}K\x01" + b"\x85" * 30_000 + b"K\x01s.")


def test_the_number_of_opcodes_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_OPCODES < 10_000_000
    monkeypatch.setattr("merflow.storage.plain_pickle.MOST_OPCODES", 1000)
    with pytest.raises(CorpusError, match="more than 1,000 opcodes"):
        read(tmp_path, PROTO + b"]" * 2000 + b".")


def test_the_size_of_texts_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merflow.storage.plain_pickle.MOST_TEXT_BYTES", 1000)
    with pytest.raises(CorpusError, match="texts have more than 1,000 bytes"):
        read(tmp_path, pickle.dumps(["a" * 600, "b" * 600], protocol=4))
