"""The OpenAPI description, and requests that are drawn from it."""

from collections import Counter
from typing import Any

import pytest

pytest.importorskip("schemathesis")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from merflow.serving.http.app import build_app
from merflow.serving.http.pages import card_html
from merflow.serving.http.service import Service
from merflow.serving.http.settings import ServeSettings
from merflow.serving.predictor import Predictor
from tests.serving.http.running import Running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 8


@pytest.mark.parametrize("of", ["server", "scoring"])
def test_drawn_requests_get_a_described_answer(of: str, request: pytest.FixtureRequest) -> None:
    server: Running = request.getfixturevalue(of)
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in description.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == 17
    asked = Counter[str]()
    for operation in operations:
        draw(operation, asked)
    assert len(asked) == 17
    assert server.send("GET", "/v2/health/ready").status == 200


def draw(operation: Any, asked: Counter[str]) -> None:  # noqa: ANN401 - schemathesis's operation
    """Send requests drawn from the description of one operation."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=booleans())
    def ask(case: schemathesis.Case[Any], known: bool) -> None:
        if known and "name" in case.path_parameters:
            case.path_parameters["name"] = "tiny"
        asked[operation.label] += 1
        case.call_and_validate(checks=CHECKS)

    ask()


def test_the_description_is_complete(predictor: Predictor, server: Running) -> None:
    paths = server.send("GET", "/openapi.json").json["paths"]
    assert set(paths) == {
        "/predict",
        "/listen",
        "/model",
        "/model/card",
        "/metrics",
        "/v1/models",
        "/v1/models/{name}",
        "/v1/models/{name}:predict",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        *(
            f"/v2/models/{{name}}{version}{end}"
            for version in ("", "/versions/{version}")
            for end in ("", "/ready", "/infer")
        ),
    }
    service = Service.start(predictor, ServeSettings())
    assert build_app(service, version="0").openapi()["info"]["version"] == "0"
    service.answering.close()


def test_the_page_of_the_description_names_every_address_and_loads_nothing_from_elsewhere(server: Running) -> None:
    reply = server.send("GET", "/docs")
    text = reply.body.decode()
    for path in server.send("GET", "/openapi.json").json["paths"]:
        assert f"<code>{path}</code>" in text
    assert "https://" not in text
    assert "http://" not in text
    assert "script-src 'self'" in reply.headers["content-security-policy"]


def test_metadata_of_the_protocols(server: Running, predictor: Predictor) -> None:
    assert server.send("GET", "/v2").json == {"name": "merflow", "version": "0", "extensions": ["binary_tensor_data"]}
    metadata = server.send("GET", "/v2/models/tiny").json
    assert metadata["versions"] == [predictor.model.version]
    assert [one["name"] for one in metadata["inputs"]] == ["audio", "text", "gender", "dialogue"]
    assert {one["name"]: one["shape"] for one in metadata["outputs"]}["probabilities"] == [-1, 4]
    for path in ("/v2/models/tiny/ready", f"/v2/models/tiny/versions/{predictor.model.version}/ready"):
        assert server.send("GET", path).json == {"name": "tiny", "ready": True}
    assert server.send("GET", "/v1/models/tiny").json == {"name": "tiny", "ready": True}
    assert server.send("GET", "/v1/models").json == {"models": ["tiny"]}
    assert server.send("GET", "/v2/models/other/ready").status == 404


def test_the_card_is_markdown_whose_html_is_only_text(server: Running) -> None:
    assert server.send("GET", "/model/card").status == 404
    shown = card_html("# Card\n\n| a | b |\n|---|---|\n| 1 | <script>x</script> |\n\n[bad](javascript:x)")
    assert "<h1>Card</h1>" in shown
    assert "<td>1</td>" in shown
    assert "<script>" not in shown
    assert "href" not in shown
