"""A finished benchmark: its results, its repetition, its runs in MLflow, and its folds when trained again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from merflow.contracts.params import Params
from merflow.contracts.progress import Progress
from merflow.contracts.regime import Regime
from merflow.contracts.results import read_results
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import (
    EvaluationError,
    FeatureError,
    FormatError,
    OutputError,
    PresetError,
    SplitError,
)
from merflow.jobs.evaluate import evaluate
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.models.folder import load_model
from merflow.runs.fold_folder import RECORD, read_record
from tests.jobs.tiny_benchmark import VARIANTS, run


@pytest.fixture(scope="module")
def finished(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("benchmark")
    run(tiny_release, params, out, workers=2)
    return out


def test_results_hold_every_variant_with_its_selection_rule(finished: Path) -> None:
    results = read_results(finished / "results.json")
    assert set(results.variants) == set(VARIANTS)
    for variant in results.variants.values():
        assert 0 <= variant.ua.pooled <= 1
        assert str(variant.training.selection) == "lowest loss of one training speaker"


def test_a_finetuned_preset_says_that_only_its_frozen_stage_ran(finished: Path) -> None:
    variant = read_results(finished / "results.json").variants["context-mmt:mmt-finetuned"]
    assert variant.training.regime == Regime(asked=("frozen", "partial"), ran=("frozen",))


def test_a_repetition_keeps_what_is_done_and_gives_the_same_results(
    finished: Path, tiny_release: Path, params: Params
) -> None:
    before = (finished / "results.json").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in finished.glob(f"folds/*/*/*/{RECORD}")}
    assert len(times) == 2
    run(tiny_release, params, finished)
    assert (finished / "results.json").read_bytes() == before
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_fold_leaves_a_model_that_loads_without_anything_else(finished: Path) -> None:
    folder = finished / "folds/context-mmt/wavlm-fc-frozen/fold-1"
    _, record = load_model(folder / "model")
    assert record.preset == "wavlm-fc-frozen"
    assert record == read_record(folder)
    assert (folder / "model/standardizer.safetensors").is_file()


def test_runs_are_in_mlflow_a_benchmark_its_variants_and_their_folds(finished: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished}/mlflow.db")
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    kinds = {each.info.run_id: each.data.tags["merflow.kind"] for each in runs}
    assert len(runs) == 7
    below = {
        (each.data.tags["merflow.kind"], each.data.tags["variant"], kinds[each.data.tags["mlflow.parentRunId"]])
        for each in runs
        if "mlflow.parentRunId" in each.data.tags
    }
    kind_above = {"variant": "benchmark", "fold": "variant", "none-paper": "variant"}
    assert below == {(kind, variant, above) for kind, above in kind_above.items() for variant in VARIANTS}
    assert {each.info.status for each in runs} == {"FINISHED"}


def test_one_seed_more_trains_only_that_seed(
    finished: Path, tiny_release: Path, params: Params, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    untracked = params.model_copy(update={"tracking": params.tracking.model_copy(update={"uri": "none"})})
    seeded = untracked.model_copy(update={"plan": params.plan.model_copy(update={"seeds": [0, 5]})})
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob(f"folds/*/*/*/{RECORD}")}
    run(tiny_release, seeded, tmp_path / "out")
    folds = sorted(path.parent.parent.name for path in (tmp_path / "out").glob(f"folds/*/*/*/{RECORD}"))
    assert folds == ["fold-1", "fold-1", "fold-1-seed-5", "fold-1-seed-5"]
    assert before == {path: path.stat().st_mtime_ns for path in before}
    results = read_results(tmp_path / "out/results.json")
    assert results.seeds == (0, 5)
    for variant in results.variants.values():
        assert [(score.fold, score.seed) for score in variant.folds] == [(1, 0), (1, 5)]
        assert variant.over_seeds.ua.std is not None


def test_a_fold_takes_nothing_elses_place(finished: Path, params: Params, tmp_path: Path) -> None:
    manifest, splits = finished / "manifest.parquet", finished / "splits.parquet"
    kept, precious = tmp_path / "kept", tmp_path / "precious"
    shutil.copytree(finished / "folds/context-mmt/wavlm-fc-frozen/fold-1", kept)
    precious.mkdir()
    (precious / "notes.txt").write_text("mine")
    other_splits = tmp_path / "splits.parquet"
    split(manifest, out=other_splits, params=params.splits.model_copy(update={"development": "session"}))
    first, second = (f"{variant}:1" for variant in VARIANTS)
    for item, out, of, said in (
        (first, precious, splits, "precious exists and is not a trained fold (model/fold_record.json is missing)"),
        (first, precious / "notes.txt", splits, "notes.txt is a file; name a folder"),
        (second, kept, splits, f"was trained with variant {VARIANTS[0]}, and {second} would replace it"),
        (first, kept, other_splits, "was trained with split_id "),
    ):
        with pytest.raises(OutputError) as caught:
            train(
                item,
                manifest=manifest,
                splits=of,
                features=finished / "features.json",
                out=out,
                checkpoints=tmp_path / "checkpoints",
                params=params.training,
            )
        assert said in str(caught.value)
    assert (precious / "notes.txt").read_text() == "mine"
    assert read_record(kept).variant == VARIANTS[0]
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_whose_results_were_of_more_variants_says_so(
    finished: Path, tiny_release: Path, params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    untracked = params.model_copy(update={"tracking": params.tracking.model_copy(update={"uri": "none"})})
    run(tiny_release, untracked, tmp_path / "out", variants=VARIANTS[:1])
    said = capsys.readouterr().err
    assert f"also cover {VARIANTS[1]}; now they will cover {VARIANTS[0]} only. Finished folds remain" in said
    assert (tmp_path / "out/folds/context-mmt/mmt-finetuned/fold-1" / RECORD).is_file()
    run(tiny_release, untracked, tmp_path / "out")
    assert "also cover" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("item", "error", "said"),
    [
        ("context-mmt:mmt-frozen", PresetError, "write model:preset:fold"),
        ("context-mmt:wavlm-fc-frozen:7", SplitError, "have no fold 7; they have"),
        ("context-mmt:bert-te-frozen:one", PresetError, "names no fold"),
        ("context-mmt:bert-te-frozen:1:x", PresetError, "or with a seed model:preset:fold:seed"),
    ],
)
def test_an_unknown_item_is_refused_with_the_known_ones(
    finished: Path, params: Params, tmp_path: Path, item: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        train_again(finished, params, tmp_path, item=item)


def test_features_of_another_manifest_are_refused(finished: Path, params: Params, tmp_path: Path) -> None:
    features = json.loads((finished / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps({**features, "manifest_hash": "0123456789abcdef"}))
    with pytest.raises(FeatureError, match="is of manifest 0123456789abcdef"):
        train_again(finished, params, tmp_path, features=tmp_path / "features.json")


def test_a_fold_whose_folder_cannot_be_written_is_not_trained_again(
    finished: Path, params: Params, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="remove what is in the way"):
        train_again(finished, params, tmp_path, progress=lambda *_: (tmp_path / "fold").touch())
    (checkpoint,) = tmp_path.glob("checkpoints/*/*")
    with safe_open(checkpoint, framework="pt") as file:
        trained = json.loads(file.metadata()["history"])["epochs"]
    (tmp_path / "fold").unlink()
    folder = train_again(finished, params, tmp_path)
    assert json.loads((folder / "history.json").read_text()) == trained, "equal to the seconds"
    assert not list(tmp_path.glob("checkpoints/*"))


def test_compilation_is_told_of_and_what_becomes_of_graphs_without_a_gpu(
    finished: Path,
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch, "compile", lambda model, **_: model)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    asked = params.training.model_copy(update={"compile": "cuda-graphs"})
    train_again(finished, params.model_copy(update={"training": asked}), tmp_path)
    said = capsys.readouterr().err
    assert "compiled first, which takes a minute or more; without a GPU there are no CUDA graphs" in said


def train_again(
    finished: Path,
    params: Params,
    out: Path,
    *,
    item: str = "context-mmt:wavlm-fc-frozen:1",
    features: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    return train(
        item,
        progress=progress,
        manifest=finished / "manifest.parquet",
        splits=finished / "splits.parquet",
        features=features or finished / "features.json",
        out=out / "fold",
        checkpoints=out / "checkpoints",
        params=params.training,
    )


def test_folds_of_another_manifest_are_not_evaluated(finished: Path, params: Params, tmp_path: Path) -> None:
    manifest = read_manifest(finished / "manifest.parquet")
    rows = manifest.rows.assign(transcript="other words")
    write_manifest(replace(manifest, rows=rows), tmp_path / "manifest.parquet")
    with pytest.raises(EvaluationError, match=r"was trained with manifest_hash .*the given one is"):
        evaluate(
            [finished / "folds/context-mmt/wavlm-fc-frozen/fold-1"],
            manifest=tmp_path / "manifest.parquet",
            splits=finished / "splits.parquet",
            results=tmp_path / "results.json",
            report=tmp_path / "report.html",
            name="x",
            command="x",
            params=params.evaluation,
        )


def test_a_fold_of_the_first_format_is_trained_again_by_its_own_command(
    finished: Path, params: Params, tmp_path: Path
) -> None:
    first: dict[str, object] = {
        "split_id": read_splits(finished / "splits.parquet").split_id,
        "protocol": params.splits.protocol,
    }
    first |= {"variant": "context-mmt:wavlm-fc-frozen", "fold": 1, "seed": 0, "fingerprint": "0" * 16}
    (tmp_path / "fold").mkdir()
    (tmp_path / "fold/fold.json").write_text(json.dumps(first))
    with pytest.raises(
        FormatError, match=r"fold\.json was written by an earlier merflow \(format 1\).*; train the fold"
    ):
        read_record(tmp_path / "fold")
    assert read_record(train_again(finished, params, tmp_path)).fold == 1
    assert not (tmp_path / "fold/fold.json").exists()
