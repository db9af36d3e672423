"""From a trained model back to its data: a real project with git and DVC, real trainings, a real MLflow database."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.params import Params
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import MerflowError
from merflow.jobs.data_versions import recorded_versions
from merflow.jobs.lineage import lineage
from merflow.runs.fold_folder import RECORD
from merflow.storage.local import file_md5
from tests.cli.command import merflow
from tests.jobs.versioned_project import VARIANT, Trained, train_in_project

pytest.importorskip("dvc")


@pytest.fixture(scope="module")
def trained(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory, params: Params) -> Trained:
    return train_in_project(tiny_release, tmp_path_factory.mktemp("lineage"), params=params)


def fold_run(trained: Trained) -> Any:  # noqa: ANN401 - mlflow's Run
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=trained.uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (found,) = client.search_runs(experiments, "tags.`merflow.kind` = 'fold'")
    return found


def test_a_fold_leads_to_the_revision_that_holds_its_splits(trained: Trained) -> None:
    found = trained.lineage(trained.runs / "folds/fold-1")
    (data,) = found.data
    assert (data.corpus, data.split_id) == ("synthetic", trained.split_id)
    assert data.split_params["development"] == "random"
    assert data.splits.md5 == trained.md5
    assert [commit.subject for commit in data.splits.commits] == ["Splits of seed 0"]
    assert (data.splits.tags, data.splits.here) == (("v1",), False)
    assert (data.manifest.tags, data.manifest.here) == (("v1", "v2"), True)
    (training,) = found.trainings
    fold = training.record
    assert (fold.variant, fold.fold, fold.seed, fold.transcripts) == (VARIANT, 1, 0, "truth")
    assert str(fold.selection) == "lowest loss of a share of the training dialogues"
    assert fold.encoders["text_layers"].spec.name.startswith("lite")
    assert len(fold.encoders["text_layers"].key) == 16
    assert fold.training.max_epochs == 3


def test_runs_carry_the_versions_of_dvc(trained: Trained) -> None:
    (data,) = trained.lineage(trained.runs / "folds/fold-1").data
    tags = fold_run(trained).data.tags
    assert tags["dvc.rev"] == data.splits.commits[0].id
    assert tags["dvc.md5.splits"] == trained.md5
    assert tags["dvc.md5.manifest"] == data.manifest.md5
    inputs = fold_run(trained).inputs.dataset_inputs
    assert {each.dataset.source_type for each in inputs} == {"s3"}
    address = f"s3://versions/merflow/files/md5/{trained.md5[:2]}/{trained.md5[2:]}"
    assert {json.loads(each.dataset.source)["uri"] for each in inputs} == {address}
    facts = [{tag.key: tag.value for tag in each.tags} for each in inputs]
    assert {each["split_id"] for each in facts} == {trained.split_id}


def test_versions_of_other_splits_are_not_claimed(trained: Trained) -> None:
    versions = recorded_versions(trained.project)
    assert versions is not None
    assert versions.splits.md5 == file_md5(trained.project / "splits.parquet") != trained.md5
    manifest = versions.manifest.identity
    assert versions.is_of(manifest_hash=manifest, split_id=versions.splits.identity)
    assert not versions.is_of(manifest_hash=manifest, split_id=trained.split_id)


def test_a_file_that_differs_from_its_lock_has_no_version(trained: Trained, tmp_path: Path) -> None:
    copy = shutil.copytree(trained.project, tmp_path / "copy", symlinks=True)
    lock = copy / "dvc.lock"
    with lock.open("a") as text:
        text.write("# edited\n")
    versions = recorded_versions(copy)
    assert versions is not None
    assert versions.rev == ""
    assert "dvc.rev" not in versions.tags()
    lock.write_text(lock.read_text().replace(versions.splits.md5, "0" * 32))
    assert recorded_versions(copy) is None
    assert recorded_versions(tmp_path) is None


def test_splits_that_differ_here_are_reported_with_the_way_back(trained: Trained) -> None:
    here = read_splits(trained.project / "splits.parquet").split_id
    assert here != trained.split_id
    said = [each for each in trained.lineage(trained.runs / "folds/fold-1").mismatches if "splits" in each]
    assert said == [
        f"splits.parquet here is {here}, trained on splits {trained.split_id}; "
        "git checkout v1 and merflow data pull bring them back"
    ]


def test_a_model_folder_a_benchmark_a_run_and_a_version_lead_to_the_same_data(trained: Trained) -> None:
    from mlflow import MlflowClient

    run_of_fold = fold_run(trained)
    client = MlflowClient(tracking_uri=trained.uri)
    client.create_registered_model("emotions")
    version = client.create_model_version(
        "emotions", f"{run_of_fold.info.artifact_uri}/model", run_id=run_of_fold.info.run_id
    )
    client.set_registered_model_alias("emotions", "champion", version.version)
    expected = trained.lineage(trained.runs / "folds/fold-1")
    kinds = {}
    for reference in (
        trained.runs / "folds/fold-1/model",
        trained.runs,
        run_of_fold.info.run_id,
        run_of_fold.data.tags["mlflow.parentRunId"],
        "models:/emotions/1",
        "emotions@champion",
    ):
        found = trained.lineage(reference)
        assert found.data == expected.data, reference
        assert found.code == expected.code
        assert found.mismatches == expected.mismatches
        kinds[str(reference)] = (found.kind, found.registered and found.registered.version)
    assert [kind for kind in kinds.values() if kind[1]] == [("MLflow run, fold", "1")] * 2
    assert kinds[str(trained.runs)] == ("benchmark", None)


def test_splits_of_other_bytes_are_found_by_what_is_in_them(trained: Trained, tmp_path: Path) -> None:
    fold = shutil.copytree(trained.runs / "folds/fold-1", tmp_path / "fold")
    record = json.loads((fold / RECORD).read_text())
    record["data_md5"]["splits"] = "0" * 32  # as written on another machine
    (fold / RECORD).write_text(json.dumps(record))
    splits = trained.lineage(fold).data[0].splits
    assert (splits.md5, splits.tags) == (trained.md5, ("v1",))


def test_data_of_no_revision_are_reported(trained: Trained, tmp_path: Path) -> None:
    fold = shutil.copytree(trained.runs / "folds/fold-1", tmp_path / "fold")
    record = json.loads((fold / RECORD).read_text())
    record |= {"data_md5": {"splits": "0" * 32, "manifest": "0" * 32}, "split_id": "f" * 16}
    (fold / RECORD).write_text(json.dumps(record))
    assert f"splits {'f' * 16} is in no revision of {trained.project}" in trained.lineage(fold).mismatches


def test_folds_of_different_splits_in_one_folder_are_reported(trained: Trained, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(trained.runs / "folds/fold-1", tmp_path / name)
    record = json.loads((tmp_path / "two" / RECORD).read_text())
    (tmp_path / "two" / RECORD).write_text(json.dumps(record | {"split_id": "f" * 16, "seed": 1}))
    both = ", ".join(sorted([trained.split_id, "f" * 16]))
    assert f"these folds were trained on different splits: {both}" in trained.lineage(tmp_path).mismatches


def test_a_fold_of_the_first_format_is_refused(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "fold.json").write_text('{"variant": "mfdr:full"}')
    with pytest.raises(MerflowError, match=r"fold\.json was written by an earlier merflow \(format 1\)"):
        trained.lineage(tmp_path)


def test_outside_of_a_project_the_record_alone_is_reported(trained: Trained, tmp_path: Path) -> None:
    found = lineage(str(trained.runs / "folds/fold-1"), uri=None, around=tmp_path)
    assert found.project is None
    assert found.data[0].split_id == trained.split_id
    assert not [said for said in found.mismatches if "revision" in said]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nothing", "'nothing' is not a folder here, an MLflow run (32 hexadecimal digits) or a model version"),
        ("0" * 32, f"no run {'0' * 32} in MLflow at sqlite:///"),
        ("models:/nobody/3", "no model version 'models:/nobody/3' in MLflow at sqlite:///"),
        ("nobody@champion", "no model version 'nobody@champion' in MLflow at sqlite:///"),
    ],
)
def test_what_does_not_exist_is_named(trained: Trained, reference: str, said: str) -> None:
    with pytest.raises(MerflowError) as caught:
        trained.lineage(reference)
    assert said in str(caught.value)


def test_where_mlflow_is_must_be_known_and_exist(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(MerflowError, match="no tracking server is given; name it: --tracking"):
        lineage("0" * 32, uri=None, around=tmp_path)
    with pytest.raises(MerflowError, match=r"no such file: .*/none\.db"):
        lineage("0" * 32, uri=f"sqlite:///{tmp_path / 'none.db'}", around=tmp_path)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(MerflowError, match="is not a model folder"):
        lineage(str(tmp_path), uri=None, around=trained.project)


def test_the_command_prints_a_tree_or_json(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.project)
    said = merflow("data", "lineage", trained.runs / "folds/fold-1")
    assert said.code == 0
    for part in (f"splits {trained.split_id}", "tag v1; commit", "Splits of seed 0", "true transcripts", VARIANT):
        assert part in said.out
    as_json = merflow("data", "lineage", fold_run(trained).info.run_id, "--tracking", trained.uri, "--json")
    assert json.loads(as_json.out)["data"][0]["split_id"] == trained.split_id
