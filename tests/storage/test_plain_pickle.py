"""Plain pickles read as Python reads them; everything else is refused, quickly, and nothing runs."""

import os
import pickle
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from merflow.errors import CorpusError
from merflow.storage.plain_pickle import MOST_DEPTH, MOST_OPCODES, read_plain_pickle

PROTO = b"\x80\x04"
EMPTY = b"}."  # an empty dict


@pytest.fixture
def run_by_the_file(tmp_path: Path) -> Iterator[Path]:
    """Return a path that no planted command may have created by the end of the test."""
    mark = tmp_path / "ran"
    yield mark
    assert not mark.exists()


def read(tmp_path: Path, content: bytes) -> Any:  # noqa: ANN401 - whatever the pickle holds
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    return read_plain_pickle(path)


class Planted:
    """An object whose pickle runs a command when Python loads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def arrays() -> dict[str, Any]:
    return {
        "float32": np.arange(24, dtype="f4").reshape(2, 3, 4),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big endian": np.arange(5, dtype=">i8"),
        "empty": np.zeros((0, 50, 74), dtype="f4"),
        "texts": np.array(["video$_$1", "ünïcode"]),
        "objects": np.array(["one", "another"], dtype=object),
        "bool": np.array([True, False]),
        "number": np.float64(-1 / 3),
        "scalars": [np.float32(1.5), np.int64(-7), np.str_("x")],
        "plain": [
            None,
            True,
            False,
            0,
            255,
            65_535,
            -1,
            2**70,
            -(2**70),
            1.5,
            "",
            "text",
            b"",
            b"x" * 300,
            (),
            (1, chr(97)),
        ],
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_and_arrays_are_read_as_python_reads_them(tmp_path: Path, protocol: int) -> None:
    written = {"train": arrays(), "valid": arrays()}
    found = read(tmp_path, pickle.dumps(written, protocol=protocol))
    for part, expected in written.items():
        assert found[part].keys() == expected.keys()
        for name, value in expected.items():
            assert type(found[part][name]) is (list if name == "objects" else type(value))
            np.testing.assert_array_equal(np.array(found[part][name], dtype=object), np.array(value, dtype=object))
    assert found["train"]["float32"].dtype == np.float32
    assert not found["train"]["float32"].flags.writeable


def test_an_array_is_a_view_of_the_file(tmp_path: Path) -> None:
    large = np.arange(1 << 16, dtype="f4")
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps({"a": large}, protocol=4))
    found = read_plain_pickle(path)["a"]
    at = path.read_bytes().index(large.tobytes())
    with path.open("r+b") as file:
        file.seek(at)
        file.write(struct.pack("<f", 42.0))
    assert found[0] == 42.0


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


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps({"train": arrays()}, protocol=4)
    for length in range(0, len(whole), 3):
        with pytest.raises(CorpusError):
            read(tmp_path, whole[:length])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=100),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
FAST = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FAST
@given(value=PLAIN, protocol=st.sampled_from([2, 3, 4, 5]))
def test_any_plain_value_is_read_as_it_was_written(tmp_path: Path, value: Any, protocol: int) -> None:  # noqa: ANN401
    assert read(tmp_path, pickle.dumps(value, protocol=protocol)) == value


@FAST
@given(garbage=st.binary(max_size=200), proto=st.booleans())
@example(garbage=EMPTY, proto=True)
def test_garbage_is_plain_or_refused_and_nothing_else(tmp_path: Path, garbage: bytes, proto: bool) -> None:
    modules = set(sys.modules)
    with suppress(CorpusError):
        read(tmp_path, PROTO + garbage if proto else garbage)
    assert set(sys.modules) == modules


CALLS = [
    b"_codecs\nencode",
    b"__builtin__\nbytes",
    b"numpy\nndarray",
    b"numpy\ndtype",
    b"numpy._core.multiarray\n_reconstruct",
    b"numpy._core.multiarray\nscalar",
]
VALUES = [
    b"K\x00",
    b"K\x01",
    b"J\xff\xff\xff\x7f",
    b"\x8c\x02f4",
    b"C\x01b",
    b"C\x04abcd",
    b"N",
    b"\x89",
    b"h\x00",
    b"h\x01",
]
ACTIONS = [bytes([code]) for code in b"]})(taesuRb\x85\x86\x87\x93\x94\x81"]
OPCODES = st.sampled_from([*(b"c" + name + b"\n" for name in [*CALLS, b"os\nsystem"]), *VALUES, *ACTIONS])


@FAST
@given(program=st.lists(OPCODES, max_size=40))
def test_any_program_of_known_opcodes_is_plain_or_refused(tmp_path: Path, program: list[bytes]) -> None:
    with suppress(CorpusError):
        read(tmp_path, PROTO + b"".join(program) + b".")


@FAST
@given(at=st.integers(0, 3000), byte=st.integers(0, 255), protocol=st.sampled_from([2, 4]))
def test_a_file_with_a_changed_byte_is_plain_or_refused(tmp_path: Path, at: int, byte: int, protocol: int) -> None:
    whole = bytearray(pickle.dumps({"train": arrays()}, protocol=protocol))
    whole[at % len(whole)] = byte
    with suppress(CorpusError):
        read(tmp_path, bytes(whole))
