"""Refusals of what is not a plain pickle: commands, classes, calls, opcodes and damaged files."""

import os
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.errors import CorpusError
from merflow.storage.plain_pickle import read_plain_pickle
from tests.storage.pickles import PROTO, read


@pytest.fixture
def run_by_the_file(tmp_path: Path) -> Iterator[Path]:
    """Return a path that no planted command may have created by the end of the test."""
    mark = tmp_path / "ran"
    yield mark
    assert not mark.exists()


class Planted:
    """An object whose pickle runs a command when Python loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def test_a_planted_command_does_not_run(tmp_path: Path, run_by_the_file: Path) -> None:
    for protocol in (2, 3, 4, 5):
        with pytest.raises(CorpusError, match=r"byte \d+ \(\w*GLOBAL\): (posix|nt)\.system is not allowed"):
            read(tmp_path, pickle.dumps({"train": [Planted(run_by_the_file)]}, protocol=protocol))


def test_an_object_of_another_class_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"pathlib\.PosixPath is not allowed"):
        read(tmp_path, pickle.dumps([Path("/")], protocol=4))
    with pytest.raises(CorpusError, match=r"collections\.OrderedDict is not allowed"):
        read(tmp_path, PROTO + b"ccollections\nOrderedDict\n.")


def test_numpy_functions_that_read_files_or_run_code_are_refused(tmp_path: Path) -> None:
    for name in (b"numpy\nload", b"numpy\nfromfile", b"numpy.testing._private.utils\nrunstring", b"builtins\neval"):
        with pytest.raises(CorpusError, match=f"{name.decode().replace(chr(10), '.')} is not allowed"):
            read(tmp_path, PROTO + b"c" + name + b"\n(tR.")


def numpy_call(arguments: bytes, *, module: bytes = b"numpy._core.multiarray", name: bytes = b"_reconstruct") -> bytes:
    return PROTO + b"c" + module + b"\n" + name + b"\n" + arguments + b"R."


@pytest.mark.parametrize(
    "arguments",
    [
        b"(cnumpy\ndtype\nK\x00\x85C\x01bt",  # an array of another class
        b"(cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85C\x01bt",  # with a size
        b")",
        b"}",
    ],
)
def test_a_reconstruction_with_other_arguments_is_refused(tmp_path: Path, arguments: bytes) -> None:
    with pytest.raises(CorpusError, match=r"calling numpy._core.multiarray._reconstruct with these arguments"):
        read(tmp_path, numpy_call(arguments))


def with_state(state: Any, *, dtype: str = "f4") -> bytes:  # noqa: ANN401 - any state
    """Return a pickle of an array whose state is replaced."""
    whole = pickle.dumps(np.zeros(3, dtype=dtype), protocol=4)
    head = whole[: whole.index(b"(K\x01K\x03")]
    names = pickle.dumps(np.dtype(dtype), protocol=4)[11:-1]
    parts = [names if one is np.dtype else pickle.dumps(one, protocol=3)[2:-1] for one in state]
    return head[:2] + head[11:] + b"(" + b"".join(parts) + b"tb."


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ((1, (1 << 40,), np.dtype, False, bytes(12)), "does not have as many bytes"),
        ((1, (-3,), np.dtype, False, bytes(12)), "no valid shape"),
        ((1, (1,) * 40, np.dtype, False, bytes(12)), "no valid shape"),
        ((1, (3,), np.dtype, False, [1, 2, 3]), "does not have as many bytes"),
        ((1, (0, 1 << 47, 1 << 47), np.dtype, False, b""), "cannot be made"),
        ((2, (3,), np.dtype, False, bytes(12)), "is not a state of an array"),
        ((1, (3,), "f4", False, bytes(12)), "is not a state of an array"),
        ((1, (3,), np.dtype, False), "is not a state of an array"),
    ],
)
def test_a_state_that_does_not_fit_its_bytes_is_refused(tmp_path: Path, state: Any, reason: str) -> None:  # noqa: ANN401
    assert read(tmp_path, with_state((1, (3,), np.dtype, False, bytes(12)))).tolist() == [0, 0, 0]
    with pytest.raises(CorpusError, match=rf"\(BUILD\): .*{reason}"):
        read(tmp_path, with_state(state))


def test_an_array_of_python_objects_holds_texts_alone(tmp_path: Path) -> None:
    for other in (1, b"x", ["nested"], None):
        array = np.empty(2, dtype=object)
        array[:] = ["text", other]
        with pytest.raises(
            CorpusError, match=f"array of Python objects holds a {type(other).__name__}, not texts alone"
        ):
            read(tmp_path, pickle.dumps(array, protocol=4))
    with pytest.raises(CorpusError, match="not a row of texts"):  # bytes would be addresses
        read(tmp_path, with_state((1, (3,), np.dtype, False, bytes(24)), dtype="O"))
    with pytest.raises(CorpusError, match="not a row of texts"):
        read(tmp_path, pickle.dumps(np.array([["a"]], dtype=object), protocol=4))


@pytest.mark.parametrize("dtype", ["M8[s]", "c16", "V8", "f4,i4", "S3"])
def test_other_types_are_refused(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(CorpusError, match="is not allowed"):
        read(tmp_path, pickle.dumps(np.zeros(2, dtype=dtype), protocol=4))


def test_an_array_of_texts_without_length_is_refused(tmp_path: Path) -> None:
    """It would need no bytes, whatever its size."""
    assert read(tmp_path, pickle.dumps(np.array([""]), protocol=4)).tolist() == [""]
    whole = pickle.dumps(np.array(["a"]), protocol=4)
    with pytest.raises(CorpusError, match=r"calling numpy\.dtype with these arguments is not allowed"):
        read(tmp_path, whole.replace(b"\x8c\x02U1", b"\x8c\x02U0"))


def test_texts_that_are_not_characters_are_refused(tmp_path: Path) -> None:
    for number in (0x110000, 0xD800, 0xFFFFFFFF):
        content = pickle.dumps(np.array(["abc"]), protocol=4).replace(
            "abc".encode("utf-32-le"), struct.pack("<III", 97, number, 99)
        )
        with pytest.raises(CorpusError, match="not characters"):
            read(tmp_path, content)
    with pytest.raises(CorpusError, match="not UTF-8"):
        read(tmp_path, PROTO + b"\x8c\x02\xff\xfe.")


@pytest.mark.parametrize(
    ("content", "opcode"),
    [
        (b"(ios\nsystem\n.", "INST"),
        (b"(cnumpy\nndarray\no.", "OBJ"),
        (b"cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pname\n.", "PERSID"),
        (b"K\x01Q.", "BINPERSID"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"}2.", "DUP"),
        (b"\x8f.", "EMPTY_SET"),
        (b"\xff.", "0xff"),
    ],
)
def test_other_opcodes_are_refused_by_name_and_position(tmp_path: Path, content: bytes, opcode: str) -> None:
    at = 2 + max(0, content.find(bytes([pickle_code(opcode)])))
    with pytest.raises(CorpusError, match=rf"byte {at} \({opcode}\): opcode {opcode} is not allowed"):
        read(tmp_path, PROTO + content)


def pickle_code(opcode: str) -> int:
    return int(opcode, 16) if opcode.startswith("0x") else getattr(pickle, opcode)[0]


def test_the_state_of_other_objects_is_never_set(tmp_path: Path) -> None:
    for target in (b"}", b"]", b"K\x01", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"):
        with pytest.raises(CorpusError, match=r"\(BUILD\): setting the state of a \w+ is not allowed"):
            read(tmp_path, PROTO + target + b"}b.")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"not a pickle", "does not start"),
        (b"(lp0\n.", "does not start"),  # protocol 0
        (b"\x80\x01}.", "protocol 1 is not one of 2, 3, 4, 5"),
        (b"\x80\x06}.", "protocol 6"),
        (b"\x80\xff}.", "protocol 255"),
        (b"\x80\x04\x80\x04}.", "comes twice"),
        (b"\x80\x04}", "cut off"),
        (b"\x80\x04}..", "1 bytes follow after its end"),
        (b"\x80\x04.", "0 values"),
        (b"\x80\x04}}.", "2 values"),
        (b"\x80\x04(}.", "1 marks"),
        (b"\x80\x04e.", "no mark"),
        (b"\x80\x04](a.", "stack is empty"),  # beyond the mark
        (b"\x80\x04}a.", "stack is empty"),
        (b"\x80\x04h\x00.", "memo has no entry 0"),
        (b"\x80\x04\x94.", "stack is empty"),
        (b"\x80\x04}K\x01a.", "appending to a dict"),
        (b"\x80\x04]K\x01K\x02s.", "setting items of a list"),
        (b"\x80\x04}(K\x01u.", "setting items"),  # a key without a value
        (b"\x80\x04})K\x01s.", "tuple as key"),
        (b"\x80\x04K\x01K\x01\x93.", "no name"),
        (b"\x80\x04cnumpy" + bytes(400), "does not end"),
        (b"\x80\x04cnumpy\nndarray\n.", "a class or an unfinished array"),
        (b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"}.", "frame of 1,152,921,504,606,846,976 bytes"),
        (b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"}.", "cut off"),  # declared bytes
        (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"}.", "cut off"),  # declared text
        (b"\x80\x04X\xff\xff\xff\xff.", "cut off"),
        (b"\x80\x05\x96" + struct.pack("<Q", 1 << 62) + b".", "cut off"),
    ],
)
def test_damaged_files_are_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(CorpusError, match=reason):
        read(tmp_path, content)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pkl", tmp_path):
        with pytest.raises(CorpusError, match=f"cannot read {path}"):
            read_plain_pickle(path)
