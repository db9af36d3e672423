"""Pickles of protocol 2: arrays as texts, and strings of Python 2."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from merflow.errors import CorpusError
from tests.storage.pickles import read


def test_an_array_of_protocol_2_is_decoded_from_its_text(tmp_path: Path) -> None:
    large = np.arange(1 << 16, dtype="f4").reshape(2, -1)
    written = {"large": large, "small": large[:1, :3], "texts": ["ümlaut", "plain"]}
    found = read(tmp_path, pickle.dumps(written, protocol=2))
    assert np.array_equal(found["large"], large)
    assert not found["large"].flags.writeable
    assert np.array_equal(found["small"], large[:1, :3])
    assert found["texts"] == written["texts"]


@pytest.mark.parametrize("size", [3, 100_000])
@pytest.mark.parametrize(
    ("content", "coding", "reason"),
    [
        ("\u0100", b"latin1", "does not stand for bytes"),
        ("a", b"utf-8", "calling _codecs.encode with these arguments"),
        ("a", b"rot13", "calling _codecs.encode with these arguments"),
    ],
)
def test_a_text_that_stands_for_no_bytes_is_refused(
    tmp_path: Path, size: int, content: str, coding: bytes, reason: str
) -> None:
    text = (content * size).encode()
    call_of = b"c_codecs\nencode\nX" + struct.pack("<I", len(text)) + text + b"X\x06\0\0\0" + coding.ljust(6)[:6]
    with pytest.raises(CorpusError, match=reason):
        read(tmp_path, b"\x80\x02" + call_of + b"\x86R.")


def test_a_long_text_of_protocol_2_is_not_a_value(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="or a very long text, among its values"):
        read(tmp_path, pickle.dumps(["a" * 100_000], protocol=2))


@pytest.mark.parametrize("opcode", [b"U\x01a", b"T\x01\0\0\0a", b"S'a'\n"])
def test_a_string_of_python_2_is_refused_with_the_reason(tmp_path: Path, opcode: bytes) -> None:
    with pytest.raises(CorpusError, match=r"STRING\): it has strings of Python 2, which do not say if they are text"):
        read(tmp_path, b"\x80\x02" + opcode + b".")
