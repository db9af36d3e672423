"""Pickles of plain values and arrays, and a reader of their bytes."""

from pathlib import Path
from typing import Any

import numpy as np

from merflow.storage.plain_pickle import read_plain_pickle

PROTO = b"\x80\x04"


def read(tmp_path: Path, content: bytes) -> Any:  # noqa: ANN401 - whatever the pickle holds
    path = tmp_path / "file.pkl"
    path.write_bytes(content)
    return read_plain_pickle(path)


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
