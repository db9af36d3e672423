"""Plain pickles are read as Python reads them; any other bytes are refused, and nothing runs."""

import pickle
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from merflow.errors import CorpusError
from merflow.storage.plain_pickle import read_plain_pickle
from tests.storage.pickles import PROTO, arrays, read

EMPTY = b"}."  # an empty dict


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
