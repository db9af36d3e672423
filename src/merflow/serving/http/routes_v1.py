"""Routes of KServe's V1 protocol."""

from typing import Any

from fastapi import FastAPI, Request, Response

from merflow.serving.http.body import read_body
from merflow.serving.http.descriptions import body_of, refusals
from merflow.serving.http.json_bodies import check_content_type, read_record
from merflow.serving.http.protocol_v1 import answer_of, clips_of
from merflow.serving.http.records import Record, V1Models, V1Request, V1Status
from merflow.serving.http.service import Service

_TAGS: list[Any] = ["KServe V1"]


def add_v1(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/models", tags=_TAGS, summary="Models of the server", responses=refusals(401))
    async def models() -> V1Models:
        return V1Models(models=[service.name])

    @app.get(
        "/v1/models/{name}",
        tags=_TAGS,
        summary="State of the model",
        responses={503: {"model": V1Status, "description": "The server is shutting down."}, **refusals(401, 404)},
    )
    async def status(name: str, response: Response) -> V1Status:
        service.check_name(name)
        response.status_code = 503 if service.state.draining else 200
        return V1Status(name=service.name, ready=not service.state.draining)

    @app.post(
        "/v1/models/{name}:predict",
        tags=_TAGS,
        summary="Predict clips",
        response_model=service.records.v1,
        responses=refusals(400, 401, 404, 408, 413, 415, 422, 429, 503),
        openapi_extra=body_of(V1Request),
    )
    async def predict(name: str, request: Request) -> Record:
        service.check_name(name)
        check_content_type(request, allowed=("application/json",))
        limits = service.settings.limits
        body = await read_body(request, limits)
        clips = await service.answering.decoded(lambda: clips_of(read_record(V1Request, body), limits=limits))
        return answer_of(await service.answer(clips), service.records)
