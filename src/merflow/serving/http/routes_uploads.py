"""Routes for form uploads, and for facts about the model."""

import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from merflow.serving.http.answer_records import facts_of
from merflow.serving.http.body import read_form
from merflow.serving.http.descriptions import form_of, refusals
from merflow.serving.http.listening import listen
from merflow.serving.http.records import ModelFacts, ModelLimits, Record
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.service import Service
from merflow.serving.http.uploads import clips_of

_TAGS: list[Any] = ["Files"]
_FILE = {"type": "string", "format": "binary"}
_TEXT = {"type": "string", "description": "The words, if you know them."}
_STATUSES = (400, 401, 408, 413, 415, 422, 429, 503)


def add_uploads(app: FastAPI, service: Service) -> None:
    """Add the routes."""
    limits, records = service.settings.limits, service.records
    chooses = "threshold of the set" if service.model.scale is None else "width of the interval"
    gender = {"type": "string", "description": f"The speaker's group, which determines the {chooses}."}
    words = {"text": _TEXT, "gender": gender}

    @app.post(
        "/predict",
        tags=_TAGS,
        summary="Predict one or more files; one that cannot be read does not affect the others",
        response_model=records.answered,
        responses=refusals(*_STATUSES),
        openapi_extra=form_of({"file": {"type": "array", "items": _FILE}, **words}),
    )
    async def predict(request: Request) -> Record:
        form = await read_form(request, limits)
        answers = await service.answer(await clips_of(form, service.model, limits=limits))
        answered: Record = records.answered(
            model=service.name,
            version=service.model.version,
            predictions=[records.answer.of(answer) for answer in answers],
        )
        return answered

    @app.post(
        "/listen",
        tags=_TAGS,
        summary=f"Predict a recording as a whole and in parts, for {service.model.task} over time",
        response_model=records.listened,
        responses=refusals(*_STATUSES),
        openapi_extra=form_of({"file": _FILE, **words}, required=("file",)),
    )
    async def over_time(request: Request) -> Record:
        clips = await clips_of(await read_form(request, limits), service.model, limits=limits)
        if len(clips) != 1 or (clips[0].audio is None and clips[0].video is None):
            raise RefusedRequestError("malformed", "send exactly one file in the field 'file'")
        with tempfile.TemporaryDirectory(prefix="merflow-serve-") as folder:
            return await listen(service, clips[0], folder=Path(folder))

    @app.get(
        "/model",
        tags=_TAGS,
        summary="Facts about the model, and the limits of a request",
        response_model=records.facts,
        responses=refusals(401),
    )
    async def model() -> ModelFacts:
        shown = ModelLimits(
            upload_mib=limits.upload_mib,
            clip_s=limits.clip_s,
            recording_s=limits.recording_s,
            clips=limits.clips,
            text_chars=limits.text_chars,
        )
        keeps = service.settings.keep is not None
        return facts_of(service.model, name=service.name, keeps_requests=keeps, limits=shown)

    @app.get(
        "/model/card",
        tags=_TAGS,
        summary="The model card, as Markdown",
        response_class=Response,
        responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}, **refusals(401, 404)},
    )
    async def card() -> Response:
        return Response(_card(service), media_type="text/markdown")


def _card(service: Service) -> str:
    if service.model.card is None:
        raise RefusedRequestError("not-found", "this model has no card; registered models have one")
    return service.model.card
