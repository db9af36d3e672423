"""A server's log comes with drift gauges if the held-out data of its model are known."""

from pathlib import Path

import pytest

pytest.importorskip("prometheus_client")

from merflow.contracts.traffic_log import read_traffic
from merflow.inference.media_clips import Clip
from merflow.monitoring.comparison import MIN_CLIPS
from merflow.opening.open_model import open_model
from merflow.opening.watched_traffic import watched
from tests.conftest import Registered
from tests.rated_clips import RatedFold


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


def test_scores_have_gauges_of_their_drift(rated_ensemble: Path, rated_fold: RatedFold, tmp_path: Path) -> None:
    opened, log = open_model(str(rated_ensemble), device="cpu"), tmp_path / "log.jsonl"
    clips = [Clip(turn.name, audio=turn.recording, text=turn.text) for turn in rated_fold.turns[:10]]
    answers = opened.predict(clips) * (MIN_CLIPS // 10 + 1)
    with watched(opened.model, log, location=str(rated_ensemble), tracking_uri=None) as traffic:
        assert traffic is not None
        assert traffic.recent is not None
        assert list(traffic.recent.collect()) == []
        traffic.take(answers)
        shown = {metric.name: metric for metric in traffic.recent.collect()}
    assert shown
    assert all(sample.value == sample.value for metric in shown.values() for sample in metric.samples), "no NaN"
    assert [record.score for record in read_traffic(log)] == [
        answer.score for answer in answers if hasattr(answer, "score")
    ]
