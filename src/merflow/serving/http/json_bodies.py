"""JSON in requests, validated against its record."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from merflow.serving.http.refusals import RefusedRequestError

_Body = TypeVar("_Body", bound=BaseModel)
_SHOWN = 3


def check_content_type(request: Request, *, allowed: tuple[str, ...]) -> None:
    """Check the content type of a request.

    Raises:
        RefusedRequestError: It is not an allowed type, or missing.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in allowed:
        raise RefusedRequestError("not-media", f"Content-Type is {kind[:60]!r}; this path takes {' or '.join(allowed)}")


def read_record(kind: type[_Body], content: bytes) -> _Body:
    """Return the record in a JSON text.

    Raises:
        RefusedRequestError: It is not JSON, or does not match the record.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        listed = "; ".join(
            f"{'.'.join(map(str, each['loc']))[:80] or 'the body'}: {each['msg'][:160]}" for each in found[:_SHOWN]
        )
        raise RefusedRequestError("malformed", f"the request does not fit: {listed}") from error
