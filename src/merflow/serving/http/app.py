"""The application: routes, error responses as JSON, and the guard around them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from merflow.errors import MerflowError
from merflow.serving.http.guard import Guard, refused_response
from merflow.serving.http.pages import add_pages
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.routes_uploads import add_uploads
from merflow.serving.http.routes_v1 import add_v1
from merflow.serving.http.routes_v2 import add_v2
from merflow.serving.http.service import Service

_LOG = logging.getLogger("merflow.serve")


def build_app(service: Service, *, version: str) -> FastAPI:
    """Return the application of a service.

    Args:
        service: The model and its threads; they end with the application.
        version: Version of merflow.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.answering.close()

    app = FastAPI(
        title=f"merflow: {service.name}",
        version=version,
        summary=f"{service.model.subject.capitalize()} of clips, by {service.model.title}",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    add_uploads(app, service)
    add_v2(app, service, version=version)
    add_v1(app, service)
    add_pages(app, service)
    _add_handlers(app, service)
    app.add_middleware(Guard, settings=service.settings, state=service.state, metrics=service.metrics)
    return app


def _add_handlers(app: FastAPI, service: Service) -> None:
    @app.exception_handler(RefusedRequestError)
    async def refused(_request: Request, error: RefusedRequestError) -> Response:
        service.metrics.count_refusal(error.reason)
        return refused_response(error)

    @app.exception_handler(MerflowError)
    async def ours(_request: Request, error: MerflowError) -> Response:
        service.metrics.count_refusal("failed")
        _LOG.error("a request failed: %s", error)
        return refused_response(RefusedRequestError("failed", str(error)))

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: HTTPException) -> Response:
        service.metrics.count_refusal("not-found")
        return JSONResponse(
            {"error": str(error.detail), "reason": "not-found"}, status_code=error.status_code, headers=error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, _error: RequestValidationError) -> Response:
        service.metrics.count_refusal("malformed")
        return refused_response(RefusedRequestError("malformed", "the request does not match its schema at /docs"))
