"""The job on a package whose held-out data are known, and traffic with and without planted shifts."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from merflow.contracts.clip_results import ClipResult, ClipResults
from merflow.contracts.drift_results import read_drift
from merflow.contracts.heard import HeardEmotion, ListeningModel
from merflow.contracts.listening_results import (
    HeardSegment,
    ListeningResults,
    ListeningSpeed,
    SegmentSettings,
    write_listening,
)
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import FormatError, ModelError, MonitoringError, ParamsError
from merflow.jobs.monitor import MonitorRequest, monitor
from merflow.opening.monitored_model import MonitoredModel, monitored_model
from merflow.serving.exports.clip_csv import write_clips
from tests.monitoring.made import CLASSES, World, write_log, write_made_package

SAME = World()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MonitoredModel:
    folder = tmp_path_factory.mktemp("monitored") / "package"
    write_made_package(folder, SAME)
    return monitored_model(str(folder))


def traffic(world: World, model: MonitoredModel, *, clips: int = 400) -> list[TrafficRecord]:
    named = {"model": model.name, "version": model.version}
    return [record.model_copy(update=named) for record in world.traffic(clips, seed=3)[0]]


def request(model: MonitoredModel, log: Path) -> MonitorRequest:
    return MonitorRequest(traffic=(log,), model=str(model.package))


def drifted(asked: MonitorRequest, out: Path) -> set[str]:
    results, page = monitor(asked, out=out, command="merflow monitor log", prometheus=out / "merflow.prom")
    assert read_drift(out) == results
    assert page.read_text().startswith("<!doctype html>")
    return {check.name for check in results.drifted}


def test_unshifted_traffic(model: MonitoredModel, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", traffic(SAME, model))
    assert drifted(request(model, log), tmp_path) == set()
    text = (tmp_path / "merflow.prom").read_text()
    assert f'merflow_drift_alarm{{check="level_dbfs",model="made:up",version="{model.version}"}} 0.0' in text
    assert f'merflow_drift_window_clips{{model="made:up",version="{model.version}"}} 400.0' in text


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World(louder_db=6), {"level_dbfs"}),
        (World(longer=2), {"duration_s", "words"}),
        (World(shares=(0.6, 0.1, 0.2, 0.1)), {"predicted"}),
    ],
)
def test_shifted_traffic(model: MonitoredModel, tmp_path: Path, world: World, expected: set[str]) -> None:
    log = write_log(tmp_path / "log.jsonl", traffic(world, model))
    assert drifted(request(model, log), tmp_path) == expected


def test_labels_that_came_back(model: MonitoredModel, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", traffic(World(skill=0.3), model))
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows([("clip_id", "label"), *World(skill=0.3).traffic(400, seed=3)[1].items()])
    assert {"coverage", "accuracy"} <= drifted(replace(request(model, log), labels=labels), tmp_path)


def test_earlier_traffic_is_a_reference(model: MonitoredModel, tmp_path: Path) -> None:
    earlier = write_log(tmp_path / "earlier.jsonl", traffic(World(louder_db=6), model))
    folder = tmp_path / "logs"
    write_log(folder / "1.jsonl", traffic(World(louder_db=6), model)[:250])
    write_log(folder / "2.jsonl", traffic(World(louder_db=6), model)[250:])
    asked = MonitorRequest(traffic=(folder,), reference=(earlier,))
    assert drifted(asked, tmp_path / "a") == set()
    assert drifted(replace(asked, model=str(model.package)), tmp_path / "b") == set()


def test_predicted_clips_and_listened_recordings_are_traffic(model: MonitoredModel, tmp_path: Path) -> None:
    records = traffic(World(longer=2), model, clips=300)
    facts = ListeningModel(
        name=model.name,
        version=model.version,
        title="made up",
        classes=CLASSES,
        modalities=("audio", "text"),
        calibrated=True,
        abstains=True,
    )
    clips = [
        ClipResult(clip=each.clip_id, duration_s=each.duration_s, text="a word", heard=_heard(each)) for each in records
    ]
    clips.append(ClipResult(clip="bad", refusal="it is empty"))
    table = ClipResults(model=facts, remark="", transcription=None, remembered=0, ignored=0, clips=tuple(clips))
    write_clips(tmp_path / "clips.csv", table)
    assert "duration_s" in drifted(request(model, tmp_path / "clips.csv"), tmp_path)
    assert read_drift(tmp_path).refused == 1

    write_listening(tmp_path / "heard", _listened(records, facts))
    assert "duration_s" in drifted(request(model, tmp_path / "heard"), tmp_path)
    assert drifted(request(model, tmp_path / "heard" / "listening.json"), tmp_path)


def _heard(record: TrafficRecord) -> HeardEmotion:
    return HeardEmotion(
        emotion=record.emotion,
        probabilities=record.probabilities,
        possible=record.possible,
        sure=record.sure,
        modalities=("audio", "text"),
        warnings=(),
    )


def _listened(records: Sequence[TrafficRecord], facts: ListeningModel) -> ListeningResults:
    return ListeningResults(
        recording="hour.wav",
        digest=None,
        duration_s=3600.0,
        model=facts,
        settings=SegmentSettings(),
        half_life_s=5.0,
        transcription=None,
        segments=tuple(
            HeardSegment(start_s=10.0, end_s=10 + (each.duration_s or 0), heard=_heard(each)) for each in records
        ),
        damaged=(),
        n_damaged=0,
        speed=ListeningSpeed(seconds=1.0, real_time_factor=0.1, remembered=0),
    )


def test_bad_logs_are_refused(model: MonitoredModel, tmp_path: Path) -> None:
    records = traffic(SAME, model, clips=120)

    def refused(log: Path, said: str, kind: type[Exception] = MonitoringError) -> None:
        with pytest.raises(kind, match=said):
            monitor(request(model, log), out=tmp_path / "out", command="")

    empty = write_log(tmp_path / "empty.jsonl", [])
    refused(empty, "no clip in it; serve some")
    refused(tmp_path / "absent.jsonl", "no such file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "contains no log")
    other = [record.model_copy(update={"version": "17"}) for record in records]
    refused(write_log(tmp_path / "other.jsonl", other), "no clip was answered by version .* the logs have version 17")
    mixed = [*records, records[0].model_copy(update={"model": "faces"})]
    refused(write_log(tmp_path / "mixed.jsonl", mixed), "the logs of made:up also have clips of faces")
    damaged = write_log(tmp_path / "damaged.jsonl", records)
    damaged.write_text(damaged.read_text() + "{}\n")
    refused(damaged, "damaged.jsonl line 121 is damaged", FormatError)
    (tmp_path / "clips.csv").write_text("a,b\n1,2\n")
    refused(tmp_path / "clips.csv", "has no column clip, so it is not a CSV of merflow predict")


def test_bad_requests_are_refused(model: MonitoredModel, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", traffic(SAME, model, clips=120))

    def refused(asked: MonitorRequest, said: str, kind: type[Exception] = MonitoringError) -> None:
        with pytest.raises(kind, match=said):
            monitor(asked, out=tmp_path / "out", command="", prometheus=tmp_path / "metrics.txt")

    refused(MonitorRequest(traffic=(log,)), "nothing to compare with; name the --model")
    refused(replace(request(model, log), alpha=2), "--alpha 2 is not a level", ParamsError)
    refused(replace(request(model, log), model=str(tmp_path)), "has no model package")
    refused(request(model, log), "reads files that end in .prom")
    write_made_package(tmp_path / "old", SAME, with_reference=False)
    old = replace(request(model, log), model=str(tmp_path / "old"))
    refused(old, "the model was registered before monitoring; register the model again", ModelError)
