"""Tuning with real trainings on the tiny release."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from merflow.contracts.params import Params, TuningParams
from merflow.contracts.protocols import Part
from merflow.contracts.study import StudyResults, read_study_results
from merflow.corpus.source import CorpusSource
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import SplitError, TrackingError, TuningError
from merflow.folds import datasets
from merflow.folds.inputs import FoldInputs
from merflow.jobs.lineage import lineage
from merflow.jobs.prepare import prepare
from merflow.jobs.sync import sync
from merflow.jobs.train import train
from merflow.jobs.trials import run_trials
from merflow.jobs.tune import choose, open_search, tune
from merflow.presets.user_presets import read_user_presets
from merflow.runs.data import Data
from merflow.runs.fold_folder import read_record
from merflow.runs.workspace import Workspace
from merflow.tuning.search import Search, folds_of, variant_of
from merflow.tuning.study import StudyLocation
from tests.cli.command import merflow

VARIANT = "context-mmt:bert-fc-frozen"
TRIALS = 4


@pytest.fixture(scope="module")
def data(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Data:
    out = tmp_path_factory.mktemp("data")
    return prepare(CorpusSource("iemocap", tiny_release), variants=[VARIANT], out=out, params=params)


def few(params: Params, **changes: object) -> TuningParams:
    values = {"trials": TRIALS, "workers": 1, "folds": [1], "startup_trials": 2, "pruning_trials": 50}
    return TuningParams.model_validate(params.tuning.model_dump() | values | changes)


def search(data: Data, params: Params, out: Path, *, uri: str = "none", **changes: object) -> StudyResults:
    """Run in this process, so that opened files can be observed."""
    tuning = few(params, **changes)
    open_search(
        VARIANT,
        data,
        workspace=Workspace(out),
        out=out / "search.json",
        run=out / "run.json",
        study="test",
        params=tuning,
        training=params.training,
        tracking=params.tracking.model_copy(update={"uri": uri}),
    )
    run_trials(out / "search.json", data, checkpoints=out / "trials", run=out / "run.json")
    return choose(out / "search.json", data, out=out, name="", run=out / "run.json")


@pytest.fixture(scope="module")
def opened() -> list[Part]:
    return []


@pytest.fixture(scope="module")
def finished(data: Data, params: Params, opened: list[Part], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tune")
    real = datasets.stored_dataset

    def watched(inputs: FoldInputs, part: Part, **settings: Any) -> Any:  # noqa: ANN401 - as it is
        opened.append(part)
        return real(inputs, part, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "stored_dataset", watched)
        search(data, params, out, uri="auto")
    return out


@pytest.mark.usefixtures("finished")
def test_no_trial_opens_test_data(opened: list[Part], params: Params) -> None:
    assert params.training.shadow_selection == "none-paper", "else this would prove nothing"
    assert set(opened) == {"train", "dev"}


def test_trials_are_judged_by_the_development_figure_of_the_real_training(
    finished: Path, data: Data, params: Params, tmp_path: Path
) -> None:
    untuned = read_study_results(finished / "study.json").untuned
    folder = train(
        f"{VARIANT}:1",
        manifest=data.manifest,
        splits=data.splits,
        features=data.features,
        out=tmp_path / "fold",
        checkpoints=tmp_path / "checkpoints",
        params=params.training,
    )
    assert untuned is not None
    assert untuned.trial == 0
    assert untuned.figure == untuned.folds[1] == read_record(folder).chosen.dev_ua


def test_the_best_preset_trains_to_the_figure_that_it_was_chosen_for(
    finished: Path, data: Data, params: Params, tmp_path: Path
) -> None:
    best = read_study_results(finished / "study.json").best
    own = read_user_presets(finished / "presets.yaml")
    preset = own[f"{VARIANT}-tuned"]
    assert preset.recipe.lr == best.values["recipe.lr"]
    assert preset.config["hidden"] == best.values["config.hidden"]
    folder = train(
        f"{VARIANT}-tuned:1",
        manifest=data.manifest,
        splits=data.splits,
        features=data.features,
        out=tmp_path / "fold",
        checkpoints=tmp_path / "checkpoints",
        params=params.training,
        user_presets=own,
    )
    record = read_record(folder)
    assert record.chosen.dev_ua == best.figure
    origin = record.origin
    assert origin is not None
    assert (origin.base, origin.study, origin.trial) == (VARIANT, "test", str(best.trial))
    (training,) = lineage(str(folder), uri=None, around=tmp_path).trainings
    assert training.record == record
    said = merflow("data", "lineage", folder).out
    assert f"made from {VARIANT} by trial {best.trial} of study 'test', development UA" in said


def test_the_preset_says_where_it_comes_from(finished: Path, data: Data) -> None:
    import yaml

    (entry,) = yaml.safe_load((finished / "presets.yaml").read_text())["presets"].values()
    assert entry["base"] == VARIANT
    tuned = entry["tuned"]
    assert tuned["split_id"] == read_splits(data.splits).split_id
    assert tuned["trials"] == {"complete": TRIALS}
    assert tuned["dev_UA"] >= tuned["dev_UA_of_base"]
    assert tuned["published"] == f"the paper's figures belong to {VARIANT}, which has other settings"


def test_every_trial_is_a_run_below_the_studys(finished: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished}/mlflow.db")
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (study,) = [run for run in runs if run.data.tags["merflow.kind"] == "study"]
    trials = {int(run.data.tags["trial"]): run for run in runs if run.data.tags["merflow.kind"] == "trial"}
    table = pd.read_csv(finished / "trials.csv").set_index("trial")
    assert sorted(trials) == list(range(TRIALS))
    for number, run in trials.items():
        assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert (run.data.tags["state"], run.info.status) == ("complete", "FINISHED")
        assert run.data.metrics["dev_UA"] == pytest.approx(table.loc[number, "dev_UA"])
        assert float(run.data.params["recipe.lr"]) == pytest.approx(table.loc[number, "recipe.lr"])
        assert len(client.get_metric_history(run.info.run_id, "dev_UA_so_far")) == 3, "three epochs"
    assert study.info.status == "FINISHED"
    kept = {each.path for each in client.list_artifacts(study.info.run_id)}
    assert {"presets.yaml", "trials.csv", "study.html", "study.json", "history.png"} <= kept


def test_its_own_command_uploads_a_search_to_another_server(
    finished: Path, data: Data, params: Params, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    with pytest.raises(
        TrackingError, match=r"is the folder of a search \(search.json\).*; run the command that made it again"
    ):
        sync(finished, uri=None)
    shutil.copytree(finished, tmp_path / "again")
    search(data, params, tmp_path / "again", uri=f"sqlite:///{tmp_path}/other.db")
    client = MlflowClient(f"sqlite:///{tmp_path}/other.db")
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.tags["merflow.kind"] for run in runs) == ["study", *["trial"] * TRIALS]
    assert {run.info.status for run in runs} == {"FINISHED"}
    before, after = (pd.read_csv(folder / "trials.csv") for folder in (finished, tmp_path / "again"))
    assert before.equals(after), "nothing was tried anew"


def test_a_tracking_server_that_is_down_does_not_stop_it(
    data: Data, params: Params, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found = search(data, params, tmp_path, uri="http://127.0.0.1:1", trials=2)
    assert found.trials == {"complete": 2}
    assert (tmp_path / "presets.yaml").is_file()
    warned = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert [said for said in warned if said.startswith("could not log")] == [
        "could not log trial 0, tuning continues",
        "could not log trial 1, tuning continues",
        "could not log the study, the same command tries again",
    ]


def test_two_processes_finish_the_trials_together_and_the_same_call_does_nothing_more(
    data: Data, params: Params, tmp_path: Path
) -> None:
    def both() -> StudyResults:
        return tune(
            VARIANT,
            data,
            out=tmp_path,
            study="test",
            name="mine",
            params=few(params, workers=2),
            training=params.training,
            tracking=params.tracking.model_copy(update={"uri": "none"}),
        )

    found = both()
    assert found.preset == "context-mmt:mine"
    assert found.trials == {"complete": TRIALS}
    assert list((tmp_path / "trials").glob("*")) == []
    before = (tmp_path / "trials.csv").read_bytes()
    assert both() == found
    assert (tmp_path / "trials.csv").read_bytes() == before


def test_a_study_of_other_folds_or_epochs_is_refused(finished: Path, data: Data, params: Params) -> None:
    other = params.model_copy(update={"training": params.training.model_copy(update={"max_epochs": 7})})
    with pytest.raises(TuningError) as caught:
        search(data, other, finished, seed=3)
    assert str(caught.value).splitlines()[1:] == [
        "  seed: 0 in the study, 3 now",
        "  training.max_epochs: 3 in the study, 7 now",
    ]


def test_a_fold_that_the_splits_lack_is_refused(data: Data, params: Params, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match=r"have no fold 4; they have \[1\]"):
        search(data, params, tmp_path, folds=[1, 4])


def test_folds_that_are_left_open_are_those_that_exist(
    finished: Path, data: Data, params: Params, tmp_path: Path
) -> None:
    location = StudyLocation.of("auto", folder=tmp_path, name="test")
    made = Search.of(VARIANT, data, location=location, params=few(params, folds="auto"), training=params.training)
    assert (made.params.folds, made.subject.folds) == ([1], (1,))
    assert made.subject == Search.load(finished / "search.json", data).subject, "the study of fold 1 goes on"


def test_a_trial_trains_on_one_device_and_without_shadow(data: Data, params: Params, tmp_path: Path) -> None:
    asked = params.training.model_copy(update={"devices_per_fold": 2, "shadow_selection": "none-paper"})
    location = StudyLocation.of("auto", folder=tmp_path, name="test")
    made = Search.of(VARIANT, data, location=location, params=few(params), training=asked)
    assert (made.training.devices_per_fold, made.training.shadow_selection) == (1, "off")
    assert made.first.params == made.training


def test_a_model_alone_stands_for_its_fullest_preset() -> None:
    assert variant_of("mfdr") == "mfdr:full"
    assert variant_of("mfdr:gru") == "mfdr:gru"
    assert folds_of("1, 3") == [1, 3]
    for text in ("", "1,x", "0"):
        with pytest.raises(TuningError, match="names no folds; write them as 1,2"):
            folds_of(text)
