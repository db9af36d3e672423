"""The body of a request, read into memory with a size and a time limit; it is never written to a file."""

import asyncio
from collections.abc import AsyncIterator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import MIB, Limits

_FIELDS = 32
_DISCARDED_S = 5.0


class _InMemory(MultiPartParser):
    """A parser that keeps files of any size in memory; the body's size has been checked before."""

    spool_max_size = 2**40


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body.

    Raises:
        RefusedRequestError: It is too large, compressed, too slow or incomplete.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RefusedRequestError("not-media", f"Content-Encoding {encoding[:40]!r} is not accepted; send plain bytes")
    declared = request.headers.get("content-length", "")
    too_large = RefusedRequestError(
        "too-large", f"the request is larger than {limits.upload_mib:g} MiB; send shorter or fewer clips"
    )
    if declared.isdecimal() and int(declared) > limits.upload_bytes:
        await _discard(request, limits)
        raise too_large
    try:
        async with asyncio.timeout(limits.body_s):
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > limits.upload_bytes:
                    raise too_large
    except TimeoutError as error:
        raise RefusedRequestError(
            "slow", f"the request took longer than {limits.body_s:g} s to arrive; send smaller ones"
        ) from error
    except ClientDisconnect as error:
        raise RefusedRequestError("dropped", "the connection ended before the request did") from error
    return bytes(body)


async def _discard(request: Request, limits: Limits) -> None:
    """Read part of a body that is too large, because many clients read the response only after sending everything."""
    if "expect" in request.headers:
        return
    left = 4 * max(limits.upload_bytes, MIB)
    try:
        async with asyncio.timeout(_DISCARDED_S):
            async for part in request.stream():
                left -= len(part)
                if left < 0:
                    return
    except (TimeoutError, ClientDisconnect):
        return


async def read_form(request: Request, limits: Limits) -> FormData:
    """Return the fields and files of a multipart body.

    Raises:
        RefusedRequestError: As :func:`read_body`, or the body is not a multipart form.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind.lower() != b"multipart/form-data" or not options.get(b"boundary"):
        raise RefusedRequestError("not-media", "the request is not multipart/form-data; send files as a form does")
    body = await read_body(request, limits)

    async def parts() -> AsyncIterator[bytes]:
        yield body

    try:
        return await _InMemory(
            request.headers,
            parts(),  # type: ignore[arg-type] # starlette asks for a generator and only iterates
            max_files=limits.clips + 1,  # one more than allowed, which is then refused with a clear message
            max_fields=_FIELDS,
            max_part_size=max(limits.upload_bytes, MIB),
        ).parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise too_many_clips(limits) from error
        raise RefusedRequestError("malformed", f"the form cannot be read: {error.message[:200]}") from error
    except (ValueError, KeyError, LookupError) as error:
        raise RefusedRequestError("malformed", "the form cannot be read; send it as a browser does") from error


def too_many_clips(limits: Limits) -> RefusedRequestError:
    """Return the refusal of a request with more clips than allowed."""
    return RefusedRequestError("too-large", f"the request has more than {limits.clips} clips; send several requests")


def text_field(form: FormData, name: str, *, limit: int) -> str | None:
    """Return a text field of a form; None if it is absent or blank.

    Raises:
        RefusedRequestError: It is a file, there are several, or it is too long.
    """
    values = form.getlist(name)
    if not values:
        return None
    if len(values) > 1 or isinstance(values[0], UploadFile):
        raise RefusedRequestError("malformed", f"{name!r} must be one text field")
    return checked_text(str(values[0]), name=name, limit=limit)


def checked_text(value: str, *, name: str, limit: int) -> str | None:
    """Return the text; None if it is blank.

    Raises:
        RefusedRequestError: It is too long, or contains an invalid character.
    """
    if len(value) > limit:
        raise RefusedRequestError("too-large", f"{name!r} has {len(value)} characters; {limit} are allowed")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise RefusedRequestError("malformed", f"{name!r} contains half a character (a lone surrogate)")
    return value if value.strip() else None
