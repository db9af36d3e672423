"""Parts of the OpenAPI description that routes share: error responses, and bodies that merflow parses itself."""

from typing import Any

from pydantic import BaseModel

from merflow.serving.http.records import Refusal

_MEANINGS = {
    400: "The connection ended early, or the request is not HTTP.",
    401: "The API key is missing or wrong.",
    404: "There is no such model, version or path.",
    408: "The request took too long to arrive.",
    413: "The request or a clip is too large, or there are too many clips.",
    415: "The content type is not supported, or a file has neither sound nor video.",
    422: "The request does not match its schema, or a clip cannot be read.",
    429: "Too many requests are open, or too many clips wait; try again after the seconds in Retry-After.",
    503: "The server is shutting down, or the model took too long.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of the error responses with these statuses."""
    return {status: {"model": Refusal, "description": _MEANINGS[status]} for status in statuses}


def body_of(record: type[BaseModel], *, binary: str | None = None) -> dict[str, Any]:
    """Return the description of a JSON body, and optionally of a binary alternative."""
    content: dict[str, Any] = {"application/json": {"schema": inline_schema(record)}}
    if binary is not None:
        content[binary] = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": content}}


def form_of(fields: dict[str, dict[str, Any]], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the description of a multipart form."""
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    if required:
        schema["required"] = list(required)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def inline_schema(record: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a record without references."""
    schema = record.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(definitions[node["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in node.items()}

    whole: dict[str, Any] = resolved(schema)
    return whole
