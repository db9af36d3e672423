"""Routes of the Open Inference Protocol (V2)."""

from typing import Any

from fastapi import FastAPI, Request, Response

from merflow.serving.http.binary_tensors import HEADER, split_body
from merflow.serving.http.body import read_body
from merflow.serving.http.descriptions import body_of, refusals
from merflow.serving.http.json_bodies import check_content_type, read_record
from merflow.serving.http.protocol_v2 import answer_of, clips_of, metadata_of
from merflow.serving.http.records import (
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
    V2Answer,
    V2Request,
)
from merflow.serving.http.service import Service

_JSON, _BINARY = "application/json", "application/octet-stream"
_MODEL = "/v2/models/{name}"
_VERSION = "/v2/models/{name}/versions/{version}"
_TAGS: list[Any] = ["Open Inference Protocol (V2)"]


def add_v2(app: FastAPI, service: Service, *, version: str) -> None:
    """Add the routes; ``version`` is merflow's."""

    @app.get("/v2", tags=_TAGS, summary="Name, version and extensions of the server", responses=refusals(401))
    async def server() -> ServerMetadata:
        return ServerMetadata(name="merflow", version=version, extensions=["binary_tensor_data"])

    @app.get("/v2/health/live", tags=_TAGS, summary="The process is alive")
    async def live() -> Live:
        return Live(live=True)

    @app.get(
        "/v2/health/ready",
        tags=_TAGS,
        summary="The server takes requests",
        responses={503: {"model": Ready, "description": "It is shutting down."}},
    )
    async def ready(response: Response) -> Ready:
        response.status_code = 503 if service.state.draining else 200
        return Ready(ready=not service.state.draining)

    @app.get(_MODEL, tags=_TAGS, summary="Inputs and outputs of the model", responses=refusals(401, 404))
    @app.get(_VERSION, tags=_TAGS, summary="Inputs and outputs of the version", responses=refusals(401, 404))
    async def metadata(name: str, version: str | None = None) -> ModelMetadata:
        service.check_name(name, version)
        return metadata_of(service.model, name=service.name)

    answers = {503: {"model": ModelReady, "description": "The server is shutting down."}, **refusals(401, 404)}

    @app.get(f"{_MODEL}/ready", tags=_TAGS, summary="The model takes requests", responses=answers)
    @app.get(f"{_VERSION}/ready", tags=_TAGS, summary="The version takes requests", responses=answers)
    async def model_ready(name: str, response: Response, version: str | None = None) -> ModelReady:
        service.check_name(name, version)
        response.status_code = 503 if service.state.draining else 200
        return ModelReady(name=service.name, ready=not service.state.draining)

    _add_infer(app, service)


def _add_infer(app: FastAPI, service: Service) -> None:
    described: dict[str, Any] = {
        "tags": _TAGS,
        "response_model": V2Answer,
        "responses": {
            200: {"content": {_BINARY: {"schema": {"type": "string", "format": "binary"}}}},
            **refusals(400, 401, 404, 408, 413, 415, 422, 429, 503),
        },
        "openapi_extra": body_of(V2Request, binary=_BINARY),
    }

    @app.post(f"{_MODEL}/infer", summary="Predict clips", **described)
    @app.post(f"{_VERSION}/infer", summary="Predict clips with the version", **described)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        service.check_name(name, version)
        check_content_type(request, allowed=(_JSON, _BINARY))
        limits = service.settings.limits
        head, tensors = split_body(await read_body(request, limits), request.headers.get(HEADER))
        asked = await service.answering.decoded(lambda: read_record(V2Request, head))
        clips = await service.answering.decoded(lambda: clips_of(asked, tensors, model=service.model, limits=limits))
        answers = await service.answer(clips)
        answer, parts = answer_of(answers, asked, model=service.model, name=service.name)
        text = answer.model_dump_json(exclude_none=True).encode()
        if not parts:
            return Response(text, media_type=_JSON)
        return Response(text + parts, media_type=_BINARY, headers={HEADER: str(len(text))})
