"""Monitoring of a model of scores on made-up traffic: unshifted traffic does not alarm, planted shifts do."""

import csv
import json
from pathlib import Path

import pytest

from benchmarks.monitor_false_alarms import alarm_rate
from merflow.contracts.clip_results import ClipResult, ClipResults
from merflow.contracts.drift_results import DriftResults, read_drift
from merflow.contracts.heard import HeardScore, ListeningModel
from merflow.contracts.numerals import decimal
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import MonitoringError
from merflow.monitoring.logs import read_records
from merflow.monitoring.reference import reference_of_package
from merflow.monitoring.samples import sample_of
from merflow.monitoring.verdict import drift_verdict
from merflow.monitoring.window import read_labels
from merflow.opening.monitored_model import MonitoredModel, monitored_model
from merflow.serving.exports.clip_csv import write_clips
from tests.cli.command import Said, merflow, refused
from tests.monitoring.made import CLASSES, SCALE, ScoreWorld, World, write_log, write_made_package

SAME = ScoreWorld()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MonitoredModel:
    folder = tmp_path_factory.mktemp("monitored") / "package"
    write_made_package(folder, SAME)
    return monitored_model(str(folder))


def traffic(world: ScoreWorld, model: MonitoredModel, *, clips: int = 500) -> list[TrafficRecord]:
    named = {"model": model.name, "version": model.version}
    return [record.model_copy(update=named) for record in world.traffic(clips, seed=3)[0]]


def monitored(
    world: ScoreWorld, model: MonitoredModel, folder: Path, *, labels: bool = False
) -> tuple[DriftResults, Said]:
    """Return results and output of the command on the traffic of a world."""
    log = write_log(folder / "log.jsonl", traffic(world, model))
    options = ["--out", folder, "--prometheus", folder / "merflow.prom"]
    if labels:
        with (folder / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("clip_id", "label"), *world.traffic(500, seed=3)[1].items()])
        options += ["--labels", folder / "labels.csv"]
    said = merflow("monitor", log, "--model", model.package, *options)
    return read_drift(folder), said


def test_unshifted_traffic(model: MonitoredModel, tmp_path: Path) -> None:
    results, said = monitored(SAME, model, tmp_path, labels=True)
    assert said.code == 0
    assert not results.drifted
    assert [check.name for check in results.checks] == [
        *("duration_s", "level_dbfs", "words", "score", "width"),
        *("abstention", "coverage", "mae"),
    ]
    assert (results.task, results.shares, results.labelled) == ("sentiment", None, 500)
    error = results.error
    assert error is not None
    assert error.ci95[0] < error.window < error.ci95[1]
    assert error.allowed == pytest.approx(0.12)
    assert "Mean absolute error" in said.out
    assert decimal(error.window) in said.out
    page = (tmp_path / "monitor.html").read_text()
    assert "Scores of sentiment" in page
    assert "Predicted emotions" not in page
    assert 'merflow_drift_mae{check="mae"' in (tmp_path / "merflow.prom").read_text()


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (ScoreWorld(louder_db=6), {"level_dbfs"}),
        (ScoreWorld(shift=-0.8), {"score", "abstention"}),
        (ScoreWorld(half_width=0.6), {"width", "abstention"}),
    ],
)
def test_shifted_traffic(model: MonitoredModel, tmp_path: Path, world: ScoreWorld, expected: set[str]) -> None:
    results, said = monitored(world, model, tmp_path)
    assert said.code == 3
    found = {check.name for check in results.drifted}
    assert found <= expected
    assert next(iter(expected - {"abstention"})) in found
    assert results.error is None, "no label came back"


def test_labels_that_came_back(model: MonitoredModel, tmp_path: Path) -> None:
    results, said = monitored(ScoreWorld(error=1.3), model, tmp_path, labels=True)
    assert said.code == 3
    assert {"coverage", "mae"} <= {check.name for check in results.drifted}
    records, labels = ScoreWorld(error=1.3).traffic(500, seed=3)
    errors = [abs((record.score or 0) - labels[record.clip_id]) for record in records]
    assert results.error is not None
    assert results.error.window == pytest.approx(sum(errors) / 500)
    (sentence,) = (each for each in drift_verdict(results).sentences if each.startswith("Mean absolute error"))
    assert f"{decimal(results.error.window)} found" in sentence
    (coverage,) = (each for each in results.rates if each.name == "coverage")
    inside = [(record.low or 0) <= labels[record.clip_id] <= (record.high or 0) for record in records]
    assert coverage.window == pytest.approx(sum(inside) / 500)


def test_the_reference_is_what_the_folds_predicted(model: MonitoredModel) -> None:
    reference = reference_of_package(model.package)
    records, labels = SAME.traffic(1500, seed=99)
    again = sample_of(records, classes=(), labels=labels)
    assert reference.sample.abstained == again.abstained
    assert sorted(reference.sample.numbers) == ["duration_s", "level_dbfs", "score", "width", "words"]
    for name in ("score", "width"):
        assert reference.sample.numbers[name].tolist() == pytest.approx(again.numbers[name].tolist())
    assert again.errors is not None
    assert reference.sample.errors is not None
    assert reference.sample.errors.tolist() == pytest.approx(again.errors.tolist())
    assert (reference.classes, reference.promised, reference.scale) == ((), 0.9, SCALE)


def test_earlier_traffic_is_a_reference(model: MonitoredModel, tmp_path: Path) -> None:
    earlier = write_log(tmp_path / "earlier.jsonl", traffic(SAME, model))
    log = write_log(tmp_path / "log.jsonl", traffic(ScoreWorld(shift=-0.8), model))
    for options in ((), ("--model", model.package)):
        said = merflow("monitor", log, "--reference", earlier, *options, "--out", tmp_path / "out", "--json")
        assert said.code == 3
        assert "score" in {each["name"] for each in json.loads(said.out)["numbers"] if each["drifted"]}


def test_predicted_clips_are_traffic(model: MonitoredModel, tmp_path: Path) -> None:
    records = traffic(SAME, model, clips=120)
    facts = ListeningModel(
        name=model.name,
        version=model.version,
        title="made up",
        classes=(),
        modalities=("audio", "text"),
        calibrated=True,
        abstains=True,
        scale=SCALE,
    )
    clips = [
        ClipResult(
            clip=each.clip_id,
            duration_s=each.duration_s,
            text="a word",
            heard=HeardScore(
                score=each.score or 0.0,
                low=each.low,
                high=each.high,
                sure=each.sure,
                modalities=("audio", "text"),
                warnings=(),
            ),
        )
        for each in records
    ]
    clips.append(ClipResult(clip="bad", refusal="it is empty"))
    table = ClipResults(model=facts, remark="", transcription=None, remembered=0, ignored=0, clips=tuple(clips))
    write_clips(tmp_path / "clips.csv", table)
    *read, bad = read_records(tmp_path / "clips.csv")
    assert bad.refused == "it is empty"
    assert [each.score for each in read] == pytest.approx([each.score for each in records], abs=1e-6)
    assert [each.width for each in read] == pytest.approx([each.width for each in records], abs=1e-5)
    assert [(each.abstained, each.sure, each.abstains) for each in read] == [
        (each.abstained, each.sure, True) for each in records
    ]


def test_traffic_of_another_task_is_refused(model: MonitoredModel, tmp_path: Path) -> None:
    named = {"model": model.name, "version": model.version}
    log = write_log(tmp_path / "log.jsonl", [each.model_copy(update=named) for each in World().traffic(200, seed=1)[0]])
    said = refused("monitor", log, "--model", model.package, "--out", tmp_path)
    assert "clip clip-0 has no score, but the model predicts scores; give the logs of this model" in said
    with pytest.raises(MonitoringError, match="clip clip-0 has a score, but the model predicts emotions"):
        sample_of(traffic(SAME, model), classes=CLASSES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip_id,label\nc,happy\n", "line 2: label 'happy' is not a number; the model predicts scores"),
        ("clip_id,label\nc,3.5\n", "line 2: label 3.5 is not on the scale, -3 to 3; correct it"),
        ("clip_id,label\nc,nan\n", "line 2: label nan is not on the scale"),
        ("clip_id,label\nc,1\nc,2\n", "line 3: clip c has two labels"),
        ("clip_id,label\nc\n", "line 2: label '' is not a number"),
    ],
)
def test_bad_labels_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(MonitoringError, match=said):
        read_labels(path, classes=(), scale=SCALE)


def test_false_alarms_are_within_the_stated_level_and_shifts_are_found() -> None:
    alarms, windows = alarm_rate("none", clips=300, windows=60, seed=7, scores=True)
    assert alarms <= 2  # with a level of 1%, more have a probability of 0.02
    assert windows == 60
    for shift in ("scores lower by 0.6", "errors larger by half", "louder by 3 dB"):
        alarms, windows = alarm_rate(shift, clips=500, windows=10, seed=7, scores=True)
        assert alarms >= 0.9 * windows, shift
