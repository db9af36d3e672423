"""The page at ``/``, the API description at ``/docs``, and metrics; all files come from this package."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response
from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt

from merflow.serving.http.descriptions import refusals
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.service import Service

_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_FILES = {
    "report.css": "merflow.evaluation.report",
    "listen.css": "merflow.serving.listen_page",
    "serve.css": "merflow.serving.http.page",
    "serve.js": "merflow.serving.http.page",
    "emotions.js": "merflow.serving.http.page",
    "scores.js": "merflow.serving.http.page",
    "elements.js": "merflow.serving.http.page",
    "chart.js": "merflow.serving.http.page",
    "recorder.js": "merflow.serving.http.page",
    "icon.svg": "merflow.serving.http.page",
}


def add_pages(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _file("index.html", room="merflow.serving.http.page")

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in _FILES:
            raise RefusedRequestError("not-found", "the page has no such file")
        return _file(name, room=_FILES[name])

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return _file("icon.svg", room=_FILES["icon.svg"])

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(_docs(app.openapi()), media_type="text/html; charset=utf-8")

    @app.get("/model/card.html", include_in_schema=False)
    async def card() -> Response:
        if service.model.card is None:
            raise RefusedRequestError("not-found", "this model has no card; registered models have one")
        return Response(card_html(service.model.card), media_type="text/html; charset=utf-8")

    @app.get(
        "/metrics",
        tags=["Operation"],
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals(401)},
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def card_html(card: str) -> str:
    """Return a model card as HTML; HTML inside its Markdown is shown as text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(card))


def _file(name: str, *, room: str) -> Response:
    content = (files(room) / name).read_bytes()
    return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers={"Cache-Control": "no-cache"})


def _docs(description: dict[str, Any]) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = (files("merflow.serving.http.page") / "docs.html.j2").read_text(encoding="utf-8")
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations:
        groups.setdefault(operation["tags"][0], []).append(operation)
    return environment.from_string(template).render(title=description["info"]["title"], groups=groups)
