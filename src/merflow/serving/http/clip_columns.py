"""Clips as columns, as in V1 and V2 requests: audio, video, words, gender, dialogue.

Audio and video are the bytes of a file. If they are text, it is base64 or a data URI; it is never taken for a path.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

from merflow.serving.http.refusals import RefusedRequestError

MEDIA, WORDS = ("audio", "video"), ("text", "gender", "dialogue")
COLUMNS = (*MEDIA, *WORDS)
_DATA, _BASE64 = "data:", ";base64"


def media_bytes(value: str | bytes, *, where: str) -> bytes | None:
    """Return the bytes of a media file; None if there are none.

    Args:
        value: The bytes, base64, or a data URI.
        where: Location of the value in the request, for error messages.

    Raises:
        RefusedRequestError: The text is neither base64 nor a data URI.
    """
    if isinstance(value, bytes):
        return value or None
    text = value.strip()
    if text[: len(_DATA)].lower() == _DATA:
        kind, comma, text = text.partition(",")
        if not comma or not kind.lower().endswith(_BASE64):
            raise RefusedRequestError("malformed", f"{where}: write data:audio/wav;base64,...")
    try:
        return base64.b64decode("".join(text.split()), validate=True) or None
    except (binascii.Error, ValueError) as error:
        raise RefusedRequestError(
            "malformed", f"{where} is not base64; send the file's bytes as base64 or as data:audio/wav;base64,..."
        ) from error


def word(value: str | bytes, *, where: str) -> str:
    """Return text.

    Raises:
        RefusedRequestError: The bytes are not UTF-8.
    """
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RefusedRequestError("malformed", f"{where} is not UTF-8") from error


def check_columns(columns: Mapping[str, Sequence[object]], *, clips: int) -> int:
    """Return the number of clips.

    Raises:
        RefusedRequestError: There is no clip, there are more than ``clips``, or columns differ in length.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if not lengths or not max(lengths.values()):
        raise RefusedRequestError("malformed", f"the request has no clip; send some of {', '.join(COLUMNS)}")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise RefusedRequestError("malformed", f"the inputs differ in their number of clips: {listed}")
    count = max(lengths.values())
    if count > clips:
        raise RefusedRequestError("too-large", f"the request has {count} clips; {clips} are allowed per request")
    return count
