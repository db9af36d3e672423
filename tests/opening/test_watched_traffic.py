"""A server's log comes with gauges of drift where the held-out data of its model are known."""

from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")

from merflow.opening.open_model import open_model
from merflow.opening.watched_traffic import watched
from tests.conftest import Registered


def test_the_served_model_is_the_monitored_one(ensemble: Path, registered: Registered, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for location, uri in ((str(ensemble), None), ("models:/emotions@champion", registered.uri)):
        model = open_model(location, tracking_uri=uri, device="cpu").model
        with watched(model, log, location=location, tracking_uri=uri) as traffic:
            assert traffic is not None
            assert traffic.recent is not None
        with watched(model, None, location=location, tracking_uri=uri) as nothing:
            assert nothing is None


def test_a_model_without_held_out_data_is_logged_without_gauges(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location = str(benchmark)  # nobody has promoted one of its models
    with watched(
        open_model(location, device="cpu").model, tmp_path / "log.jsonl", location=location, tracking_uri=None
    ) as traffic:
        assert traffic is not None
        assert traffic.recent is None
    assert "has no model package, so its held-out data are unknown" in capsys.readouterr().err
