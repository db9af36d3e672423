"""A server with a traffic log: numbers alone are written, and drift shows in its metrics."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from merflow.contracts.traffic_log import TrafficLog, read_traffic
from merflow.monitoring.comparison import MIN_CLIPS
from merflow.monitoring.reference import reference_of_traffic
from merflow.serving.answers import ClipPrediction, RefusedClip
from merflow.serving.http.traffic import RecentDrift, Traffic
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.monitoring.made import World


def test_answers_become_records(predictor: Predictor, recordings: list[Path], tmp_path: Path) -> None:
    secret = "nobody may read this"
    clips = [open_clip(path, clip_id=path.name, text=secret) for path in recordings]
    answers = [*predictor.predict(clips), RefusedClip("bad", "it is empty")]
    log = tmp_path / "traffic.jsonl"
    with TrafficLog(log) as opened:
        Traffic(opened, predictor.model, None).take(answers)
    *records, refused = read_traffic(log)
    assert refused.refused == "it is empty"
    assert len(records) == len(answers) - 1
    for record, answer in zip(records, answers, strict=False):
        assert isinstance(answer, ClipPrediction)
        assert (record.model, record.version) == (predictor.model.name, predictor.model.version)
        assert record.probabilities == answer.probabilities
        assert record.duration_s == answer.duration_s
        assert record.level_dbfs is not None
        assert -80 < record.level_dbfs < 0
        assert record.words == len(secret.split())
    assert secret not in log.read_text()


def test_metrics_show_drift(predictor: Predictor, recordings: list[Path], tmp_path: Path) -> None:
    (answer,) = predictor.predict([open_clip(recordings[0], clip_id="a", text="one")])
    reference = reference_of_traffic(World().traffic(300, seed=0)[0], classes=predictor.model.classes)
    recent = RecentDrift(reference, predictor.model)
    with TrafficLog(tmp_path / "traffic.jsonl") as log:
        traffic = Traffic(log, predictor.model, recent)
        traffic.take([answer] * (MIN_CLIPS - 1))
        assert not list(recent.collect())
        traffic.take([answer])
    registry = CollectorRegistry()
    registry.register(recent)
    lines = generate_latest(registry).decode().splitlines()
    assert 'merflow_drift_alarm{check="confidence"} 1.0' in lines  # the same clip again and again
    assert f"merflow_drift_window_clips {MIN_CLIPS}.0" in lines
