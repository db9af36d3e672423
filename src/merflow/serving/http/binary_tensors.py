"""The binary tensor extension of the Open Inference Protocol.

The header ``Inference-Header-Content-Length`` gives the length of the JSON part; the tensors follow in the order of the
inputs; the parameter ``binary_data_size`` of each gives its length. Every element of a BYTES tensor is preceded by its
length, four bytes, little-endian.
"""

import struct
from collections.abc import Sequence

import numpy as np

from merflow.serving.http.refusals import RefusedRequestError

HEADER = "Inference-Header-Content-Length"
_LENGTH = struct.Struct("<I")
_DTYPES = {"FP64": "<f8", "FP32": "<f4", "BOOL": "?"}


def split_body(body: bytes, header: str | None) -> tuple[bytes, bytes]:
    """Return the JSON part and the tensors that follow it.

    Args:
        body: The body of the request.
        header: Value of :data:`HEADER`; None if the request has none and is all JSON.

    Raises:
        RefusedRequestError: The header is not a valid length within the body.
    """
    if header is None:
        return body, b""
    if not (header.isascii() and header.isdecimal() and len(header) <= 12):
        raise RefusedRequestError("malformed", f"{HEADER} is {header[:40]!r}; it must be a number of bytes")
    length = int(header)
    if length > len(body):
        raise RefusedRequestError("malformed", f"{HEADER} is {length}, but the request has {len(body)} bytes")
    return body[:length], body[length:]


def read_elements(content: bytes, *, name: str, count: int) -> list[bytes]:
    """Return the elements of a BYTES tensor.

    Args:
        content: The tensor's bytes.
        name: Its name, for error messages.
        count: Number of its elements, according to its shape.

    Raises:
        RefusedRequestError: The lengths do not add up to that of the content, or the number of elements is wrong.
    """
    elements, at = [], 0
    while at < len(content):
        if at + _LENGTH.size > len(content):
            raise RefusedRequestError(
                "malformed", f"input {name!r} ends inside a length, {len(content) - at} bytes left"
            )
        (length,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        if at + length > len(content):
            raise RefusedRequestError(
                "malformed",
                f"input {name!r}: an element of {length} bytes exceeds the {len(content) - at} that are left",
            )
        elements.append(content[at : at + length])
        at += length
        if len(elements) > count:
            break
    if len(elements) != count:
        raise RefusedRequestError("malformed", f"input {name!r} does not have the {count} elements that its shape says")
    return elements


def write_elements(values: Sequence[str]) -> bytes:
    """Return text as a BYTES tensor."""
    parts = []
    for value in values:
        content = value.encode()
        parts += [_LENGTH.pack(len(content)), content]
    return b"".join(parts)


def write_numbers(values: Sequence[float] | Sequence[bool], *, datatype: str) -> bytes:
    """Return an FP64, FP32 or BOOL tensor, little-endian."""
    return np.asarray(values, dtype=_DTYPES[datatype]).tobytes()
