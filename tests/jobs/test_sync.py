"""A real server that dies before, in the middle of and after training: nothing is lost, and nothing goes up twice."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from merflow.contracts.params import Params
from merflow.corpus.source import CorpusSource
from merflow.errors import EvaluationError, TrackingError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.sync import log_benchmark, sync
from merflow.runs.remembered import remember_trained
from merflow.storage.local import read_json, write_json
from tests.cli.command import merflow, refused
from tests.contracts.records import planned_fold
from tests.tracking.recorded import fold_folder, opened, runs, steps, train
from tests.tracking.server import Server

VARIANTS = ("context-mmt:bert-fc-frozen", "context-mmt:wavlm-fc-frozen")


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """Notice at once that a server is down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def finished(
    server: Server, tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Return a benchmark whose server never answered, and its messages."""
    out = tmp_path_factory.mktemp("benchmark") / "run"
    tracking = params.tracking.model_copy(update={"uri": server.uri, "system_metrics_every_s": 0.05})
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merflow.jobs.track.say", said.append)
        patch.setattr("merflow.jobs.sync.say", said.append)
        benchmark(
            CorpusSource("iemocap", tiny_release),
            variants=VARIANTS,
            out=out,
            params=params.model_copy(update={"tracking": tracking}),
            name="test",
            command="merflow benchmark ...",
        )
    return out, "\n".join(said)


def everything(uri: str) -> dict[str, Any]:
    """Return MLflow's runs by kind and name: status, parent, every figure with its step, files."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    names = {run.info.run_id: run.info.run_name for run in found}
    held = {
        f"{run.data.tags['merflow.kind']} {run.info.run_name}": {
            "status": run.info.status,
            "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
            "figures": Counter(
                (metric.key, metric.step)
                for key in run.data.metrics
                for metric in client.get_metric_history(run.info.run_id, key)
            ),
            "files": {file.path for file in client.list_artifacts(run.info.run_id)},
        }
        for run in found
    }
    assert len(held) == len(found), "no run is there twice"
    return held


def test_training_continues_without_a_server_and_says_what_to_do_later(
    server: Server, finished: tuple[Path, str]
) -> None:
    out, said = finished
    assert (out / "report.html").is_file()
    assert len(list(out.glob("folds/*/*/fold-1/system.json"))) == 2
    assert "track: training goes on without MLflow" in said
    assert f"upload what it lacks with: merflow tracking sync {out}" in said
    assert f"error: MLflow at {server.uri} failed to" in refused("tracking", "sync", out)


def test_a_server_that_dies_loses_nothing_and_gets_everything_once(
    server: Server, finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merflow.tracking.fold_run.FLUSH_S", 0.0)
    server.start()
    dying = opened(server.uri, "dies while a fold trains")
    folder = fold_folder(tmp_path / "fold", epochs=6)
    with dying.fold(planned_fold()) as fold:
        train(fold, epochs=range(1, 4))
        server.kill()
        train(fold, epochs=range(4, 7), folder=folder)

    server.start()
    (run,) = runs(server.uri, dying.benchmark_id)
    assert (run.info.status, steps(server.uri, run)) == ("RUNNING", [1, 2, 3])
    assert dying.log_finished_fold(folder, planned_fold())
    (run,) = runs(server.uri, dying.benchmark_id)
    assert (run.info.run_id, run.info.status, steps(server.uri, run)) == (fold.run_id, "FINISHED", [1, 2, 3, 4, 5, 6])

    out, _ = finished
    monkeypatch.setattr("merflow.jobs.sync.say", lambda _: server.kill())  # when the first fold is there
    with pytest.raises(TrackingError, match=f"MLflow at {server.uri} failed to"):
        sync(out, uri=None)
    monkeypatch.undo()

    server.start()
    (done,) = sync(out, uri=None)
    assert (done.folds, done.new_folds, done.results, done.new_results) == (2, 1, True, True)
    held = everything(server.uri)
    ours = {name: run for name, run in held.items() if "emodb" not in name and "mmt-frozen" not in name}
    assert {name: run["parent"] for name, run in ours.items()} == {
        "benchmark test": None,
        **{f"variant {name}": "test" for name in VARIANTS},
        **{f"none-paper none-paper of {name}": name for name in VARIANTS},
        **{f"fold fold 1 of {name}": name for name in VARIANTS},
    }
    assert {run["status"] for run in ours.values()} == {"FINISHED"}
    assert ours["benchmark test"]["files"] == {"report.html", "results.json", "tables.md", "tables.tex"}
    for name in VARIANTS:
        assert ours[f"variant {name}"]["files"] == {"confusion.png", "learning.png"}
        assert {"predictions.parquet", "model", "history.json"} <= ours[f"fold fold 1 of {name}"]["files"]
        figures = ours[f"fold fold 1 of {name}"]["figures"]
        assert set(figures.values()) == {1}, "no figure twice"
        assert {step for key, step in figures if key == "dev_ua"} == {1, 2, 3}
        assert ("system/process_memory_megabytes", 0) in figures
        assert ("test_UA", 0) in figures

    assert merflow("tracking", "sync", out).out == (
        f"test: 0 of 2 fold(s) uploaded, results as before; run {done.run_id}, {server.uri}\n"
    )
    assert everything(server.uri) == held


def test_another_server_gets_everything_too_also_from_a_moved_folder(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "moved")
    said = merflow("tracking", "sync", tmp_path / "moved", "--uri", f"sqlite:///{tmp_path}/other.db", "--json")
    assert said.code == 0
    assert '"new_folds": 2' in said.out
    assert len(everything(f"sqlite:///{tmp_path}/other.db")) == 7


def test_what_a_pod_had_from_an_object_store_is_kept_in_the_workspace(
    tiny_release: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, pod = tmp_path / "workspace", tmp_path / "s3"
    tracking = params.tracking.model_copy(update={"uri": "http://127.0.0.1:9"})
    benchmark(
        CorpusSource("iemocap", tiny_release),
        variants=VARIANTS[:1],
        out=out,
        params=params.model_copy(update={"tracking": tracking}),
        name="test",
        command="merflow benchmark ...",
    )
    (run,) = out.glob("tracking/*/run.json")
    fold = out / "folds" / VARIANTS[0].replace(":", "/") / "fold-1"
    files = [out / name for name in ("results.json", "report.html", "tables.md", "tables.tex")]
    here = {path.name: pod / "evaluate" / path.name for path in files}
    shutil.copytree(fold, pod / "train/fold")
    (pod / "evaluate").mkdir()
    for path in files:
        shutil.copyfile(path, here[path.name])
        path.unlink()
    shutil.rmtree(fold)

    monkeypatch.setattr("merflow.runs.remembered.OBJECT_STORES", (pod,))
    other = tmp_path / "run.json"
    elsewhere = {"uri": f"sqlite:///{tmp_path}/up.db", "workspace": str(tmp_path / "other")}
    write_json(other, read_json(run) | elsewhere)
    remember_trained(other, pod / "train/fold")
    assert not (tmp_path / "other").exists(), "a pod's copy is nothing to come back to"
    log_benchmark(other, trained=[pod / "train/fold"], files=here, command="merflow benchmark ...")
    assert everything(f"sqlite:///{tmp_path}/up.db")["benchmark test"]["files"] == set(here)
    assert not any((tmp_path / "other/tracking").iterdir()), "all of it is in MLflow"
    in_workspace = tmp_path / "other/folds/fingerprint"
    shutil.copytree(pod / "train/fold", in_workspace)
    log_benchmark(other, trained=[in_workspace], files=here, command="merflow benchmark ...")
    assert not any((tmp_path / "other/tracking").iterdir()), "results vanish with the pod, although the fold stays"

    log_benchmark(run, trained=[pod / "train/fold"], files=here, command="merflow benchmark ...")
    shutil.rmtree(pod)
    (out / "tracking").rename(tmp_path / "tracking")
    said = merflow("tracking", "sync", tmp_path, "--uri", f"sqlite:///{tmp_path}/mlflow.db")
    assert "test: 1 of 1 fold(s) uploaded, new results" in said.out
    held = everything(f"sqlite:///{tmp_path}/mlflow.db")
    assert held["benchmark test"]["files"] == set(here)
    assert {"predictions.parquet", "model", "history.json"} <= held[f"fold fold 1 of {VARIANTS[0]}"]["files"]


@pytest.mark.parametrize(
    ("record", "key"), [("run.json", "experiment"), ("results.json", "files"), ("fold-*", "folder")]
)
def test_a_damaged_record_is_refused_before_anything_is_uploaded(
    record: str, key: str, finished: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "older")
    path = next((tmp_path / "older/tracking").glob(f"*/{record}"))
    content = json.loads(path.read_text())
    del content[key]
    write_json(path, content)
    said = refused("tracking", "sync", tmp_path / "older", "--uri", f"sqlite:///{tmp_path}/other.db")
    assert f"{path} is damaged; run the benchmark's own command again" in said
    assert f"{key}: Field required" in said
    assert not (tmp_path / "other.db").exists()


@pytest.mark.parametrize("record", ["run.json", "results.json", "fold-*"])
def test_a_record_of_the_first_format_is_refused_before_anything_is_uploaded(
    record: str, finished: tuple[Path, str], tmp_path: Path
) -> None:
    shutil.copytree(finished[0], tmp_path / "older")
    path = next((tmp_path / "older/tracking").glob(f"*/{record}"))
    write_json(path, {name: value for name, value in read_json(path).items() if name not in ("format", "written_by")})
    said = refused("tracking", "sync", tmp_path / "older", "--uri", f"sqlite:///{tmp_path}/other.db")
    assert f"{path} was written by an earlier merflow (format 1); this version reads format 2; run the" in said
    assert not (tmp_path / "other.db").exists()


def test_a_folder_without_a_benchmark_is_refused(tmp_path: Path) -> None:
    assert f"error: {tmp_path} remembers no benchmark (no {tmp_path}/tracking/*/run.json); pass the --out" in refused(
        "tracking", "sync", tmp_path
    )


def test_files_that_are_gone_are_named(finished: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(finished[0], tmp_path / "out")
    uri = f"sqlite:///{tmp_path}/other.db"
    (tmp_path / "out/report.html").unlink()
    with pytest.raises(TrackingError, match=r"report\.html is missing; run the benchmark again"):
        sync(tmp_path / "out", uri=uri)
    shutil.rmtree(tmp_path / "out/folds/context-mmt/bert-fc-frozen")
    with pytest.raises(EvaluationError, match=r"fold-1 is not a trained fold: model/fold_record\.json is missing"):
        sync(tmp_path / "out", uri=uri)


def test_a_wrong_place_is_refused(finished: tuple[Path, str]) -> None:
    said = refused("tracking", "sync", finished[0], "--uri", "mlruns")
    assert "'mlruns' is not a tracking server or database" in said
