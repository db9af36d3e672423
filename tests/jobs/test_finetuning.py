"""Presets whose encoders learn, through the job: in a second stage, or from the first epoch on."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.contracts.regime import Regime
from merflow.contracts.results import read_results
from merflow.corpus.source import CorpusSource
from merflow.features.encoders.huggingface.miniature import build_miniatures
from merflow.inference.encoded import has_encoders
from merflow.jobs.benchmark import benchmark
from merflow.jobs.train import train
from merflow.models.folder import load_model
from merflow.runs.fold_folder import read_missing, read_none_paper, read_predictions, read_record

VARIANT, FULL = "context-mmt:mmt-finetuned", "layer-adapter-fusion:t"


@pytest.fixture(scope="module")
def settings(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Params:
    encoders = tmp_path_factory.mktemp("encoders")
    build_miniatures(encoders)
    changes = {
        "features": params.features.model_copy(update={"profile": "tiny", "encoders_folder": str(encoders)}),
        "training": params.training.model_copy(update={"max_epochs": 2}),
        "tracking": params.tracking.model_copy(update={"uri": "none"}),
    }
    return params.model_copy(update=changes)


@pytest.fixture(scope="module")
def finished(tiny_release: Path, settings: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finetuned")
    source = CorpusSource("iemocap", tiny_release)
    benchmark(source, variants=[VARIANT, FULL], out=out, params=settings, name="test", command="")
    return out


def test_both_stages_are_trained_and_told(finished: Path) -> None:
    variant = read_results(finished / "results.json").variants[VARIANT]
    assert variant.training.regime == Regime(asked=("frozen", "partial"), ran=("frozen", "partial"))
    fold = finished / "folds/context-mmt/mmt-finetuned/fold-1"
    assert [(epoch.stage, epoch.lr) for epoch in read_history(fold)] == [(1, 1e-3), (1, 1e-3), (2, 1e-5), (2, 1e-5)]
    assert read_record(fold).chosen.epoch in (3, 4)


def test_a_stage_of_everything_is_reported(finished: Path) -> None:
    variant = read_results(finished / "results.json").variants[FULL]
    assert variant.training.regime == Regime(asked=("full",), ran=("full",))
    _, record = load_model(finished / "folds" / FULL.replace(":", "/") / "fold-1/model")
    assert record.recipes[0].encoder_lr == 1e-5


def test_the_folder_holds_what_the_encoders_learned(finished: Path) -> None:
    fold = finished / "folds/context-mmt/mmt-finetuned/fold-1"
    assert has_encoders(fold / "model")
    _, record = load_model(fold / "model")
    assert record.stages == ("frozen", "partial")
    assert record.recipes[1].encoders == {"speech_layers": "convolutions", "text_layers": "embeddings"}


def test_side_predictions_are_next_to_the_honest_ones(finished: Path) -> None:
    fold = finished / "folds/context-mmt/mmt-finetuned/fold-1"
    honest, shadow, missing = read_predictions(fold), read_none_paper(fold), read_missing(fold)
    assert shadow is not None
    assert missing is not None
    assert shadow["utterance_id"].tolist() == honest["utterance_id"].tolist()
    assert sorted(set(missing["missing"])) == ["audio", "text"]
    assert len(missing) == 2 * len(honest)
    record = read_record(fold)
    assert record.none_paper is not None
    assert record.none_paper.epoch in (1, 2, 3, 4), "of either stage"
    assert (record.promotable, record.none_paper.promotable) == (True, False)


@pytest.mark.parametrize(("variant", "after"), [(VARIANT, 2), (FULL, 1)], ids=["between the stages", "in the only one"])
def test_a_fold_that_stopped_ends_the_same(
    variant: str, after: int, finished: Path, settings: Params, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop(_stage: str, done: int, _total: int) -> None:
        if done == after:
            raise StopError

    def again(progress: object = None) -> Path:
        return train(
            f"{variant}:1",
            manifest=finished / "manifest.parquet",
            splits=finished / "splits.parquet",
            features=finished / "features.json",
            out=tmp_path / "fold",
            checkpoints=tmp_path / "checkpoints",
            params=settings.training,
            progress=progress,  # type: ignore[arg-type]
        )

    with pytest.raises(StopError):
        again(stop)
    folder, whole = again(), finished / "folds" / variant.replace(":", "/") / "fold-1"
    names = {"model/model.safetensors", "predictions.parquet", "none-paper.parquet"}
    if variant == VARIANT:
        names.add("missing.parquet")  # the other has a single modality
    assert {name for name in names | {"missing.parquet"} if (folder / name).is_file()} == names
    for name in names:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    learned, expected = (load_file(each / "model/encoders.safetensors") for each in (folder, whole))
    assert learned.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in learned.items())
