"""Rows whose papers fine-tune encoders: they do so as their presets say, or every result says that they did not."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from merflow.contracts.params import Params, TrainingParams
from merflow.contracts.regime import Regime
from merflow.contracts.tracker import NullTracker
from merflow.evaluation.report.fold_page import fold_markdown
from merflow.features.batches.standardize import STANDARDIZER
from merflow.folds.datasets import FoldDatasets, stored_dataset
from merflow.folds.fit import fit
from merflow.folds.inputs import FoldInputs
from merflow.inference.encoded import EncodedModel, has_encoders
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.trained_model import load_trained
from merflow.jobs.train import train
from merflow.models.foal_net import FoalNet, FoalNetConfig
from merflow.presets import catalogue
from merflow.runs.fold_folder import read_record
from merflow.training.loop import TrainedFold, train_fold
from merflow.training.resume import CHECKPOINT
from merflow.training.stages import Material, Stage
from tests.jobs.conftest import files, fine_tuned
from tests.models.batches import EMOTIONS
from tests.training.interruption import assert_equal, without_seconds

ROWS = fine_tuned("foal-net", "gia-mic")
NOTE = "encoders frozen; the paper fine-tunes them"

# GIA-MIC at a width that trains in a second.
NARROW: Mapping[str, Mapping[str, Any]] = {"gia-mic": {"dims": 24, "heads": 2, "feedforward": 48}}


@pytest.fixture(scope="module")
def training(params: Params) -> TrainingParams:
    return params.training.model_copy(update={"max_epochs": 2, "shadow_selection": "off"})


def read(variant: str, corpus: Path, params: TrainingParams) -> FoldInputs:
    inputs = FoldInputs.read(f"{variant}:1", params=params, **files(corpus))
    preset = inputs.preset
    return replace(inputs, preset=replace(preset, config={**preset.config, **NARROW.get(preset.model, {})}))


def fitted(inputs: FoldInputs, folder: Path, *, copy_first_to: Path | None = None) -> TrainedFold:
    """Train the fold; if asked for, keep a copy of the checkpoint after the first epoch."""

    def progress(epoch: int, _last: int, _figures: Mapping[str, float]) -> None:
        if epoch == 1 and copy_first_to is not None:
            copy_first_to.mkdir()
            shutil.copy(folder / CHECKPOINT, copy_first_to)

    return fit(inputs, FoldDatasets(inputs), folder=folder, tracker=NullTracker(), progress=progress)[1]


def test_which_rows_fine_tune_and_how() -> None:
    assert len(ROWS) == 6 + 10
    models = [each for each in catalogue.presets().values() if each.model in ("foal-net", "gia-mic")]
    assert {each.variant for each in models if "audio" in each.inputs} == set(ROWS), "every row that hears"
    foal, gia = (catalogue.preset(variant).recipe for variant in ("foal-net:full", "gia-mic:full"))
    assert (foal.policy, foal.encoders, foal.lr, foal.encoder_lr) == ("partial", {"speech": "transformer"}, 1e-4, None)
    assert (gia.policy, gia.encoders, gia.lr, gia.encoder_lr) == ("full", {"speech": "everything"}, 1e-5, None)
    assert {foal.encoder_mode, gia.encoder_mode} == {"training"}
    assert (foal.batching, gia.batching) == ("random", "by-length"), "Foal-Net's losses look across the batch"


@pytest.mark.parametrize("variant", ROWS)
def test_a_fine_tuned_row_trains_and_resumes_bit_equal(
    variant: str, filmed: Path, training: TrainingParams, encoders: Path, tmp_path: Path
) -> None:
    inputs = read(variant, filmed, training)
    whole = fitted(inputs, tmp_path / "whole", copy_first_to=tmp_path / "stopped")
    again = fitted(inputs, tmp_path / "stopped")
    assert len(whole.history.epochs) == 2
    assert without_seconds(again.history.rows()) == without_seconds(whole.history.rows())
    learner = whole.material.model
    assert isinstance(learner, EncodedModel)
    assert_equal(again.material.model.state_dict(), learner.state_dict())
    published = load_file(encoders / "wavlm-large/model.safetensors")
    learned = {name.partition(".weights.")[2]: value for name, value in learner.encoders.learning.items()}
    moved = [name for name, value in learned.items() if not torch.equal(value, published[name])]
    assert len(moved) > len(learned) / 2


def fusion_of(row: str, inputs: FoldInputs, folder: Path) -> dict[str, Tensor]:
    """Train a row of Foal-Net from weights that all rows share, without dropout; return what its classifier reads."""
    shapes = stored_dataset(inputs, "train").shapes
    config = FoalNetConfig(**inputs.preset.config | {"dropout": 0.0, "projection_dropout": 0.0})
    torch.manual_seed(0)
    shared = FoalNet(replace(config, avel=True), shapes=shapes, task=EMOTIONS).state_dict()
    model: nn.Module = FoalNet(config, shapes=shapes, task=EMOTIONS)
    model.load_state_dict({name: shared[name] for name in model.state_dict()})
    recipe = inputs.recipes[0].model_copy(update={"max_epochs": 2, "monitor": "dev_loss"})
    datasets = FoldDatasets(inputs)
    if recipe.policy != "frozen":
        learning = inputs.learning(recipe)
        encoders = EncodersInGraph(
            inputs.streams, profile=inputs.profile, learning=learning, standardizer=None, mode="evaluation"
        )
        model = EncodedModel(encoders, model)
    material = Material(model, EMOTIONS, datasets.part("train", recipe), datasets.part("train", recipe))
    stages = [Stage(recipe, lambda: material)]
    train_fold(stages, seed=0, params=inputs.params, folder=folder / row, tracker=NullTracker())
    return {name.removeprefix("model."): value for name, value in model.state_dict().items() if "fuse" in name}


@pytest.mark.parametrize("regime", ["as-preset", "frozen"])
def test_avel_differs_from_baseline_through_the_encoder_alone(
    regime: str, filmed: Path, training: TrainingParams, tmp_path: Path
) -> None:
    params = training.model_copy(update={"encoders": regime})
    baseline, avel = (fusion_of(row, read(f"foal-net:{row}", filmed, params), tmp_path) for row in ("baseline", "avel"))
    assert baseline.keys() == avel.keys() != set()
    same = [torch.equal(value, avel[name]) for name, value in baseline.items()]
    assert all(same) if regime == "frozen" else not all(same)


@pytest.mark.parametrize(("row", "lr"), [("s", 1e-4), ("v", 1e-5)])
def test_a_row_whose_encoder_would_learn_has_another_rate_with_a_frozen_one(
    row: str, lr: float, filmed: Path, training: TrainingParams
) -> None:
    frozen = FoldInputs.read(
        f"gia-mic:{row}:1", params=training.model_copy(update={"encoders": "frozen"}), **files(filmed)
    )
    (recipe,) = frozen.recipes
    assert (recipe.policy, recipe.encoders, recipe.lr) == ("frozen", {}, lr)
    as_preset = FoldInputs.read(f"gia-mic:{row}:1", params=training, **files(filmed))
    assert as_preset.recipes == catalogue.preset(f"gia-mic:{row}").recipes
    assert as_preset.recipes[0].lr == 1e-5, "the paper's, for every row"
    assert as_preset.fingerprint != frozen.fingerprint


def test_frozen_encoders_are_reported(filmed: Path, training: TrainingParams, encoders: Path, tmp_path: Path) -> None:
    fold = train(
        "foal-net:audio-only:1",
        out=tmp_path / "fold",
        checkpoints=tmp_path / "checkpoints",
        params=training.model_copy(update={"encoders": "frozen"}),
        **files(filmed),
    )
    record = read_record(fold)
    assert record.regime == Regime(asked=("partial",), ran=("frozen",))
    assert record.regime.note == NOTE
    assert f"Stages: frozen ({NOTE})." in fold_markdown(record, ())
    assert not has_encoders(fold / "model")
    assert not (fold / "model" / STANDARDIZER).exists(), "profile tiny leaves features as they are"
    assert load_trained(fold / "model", encoders_folder=str(encoders)).record == record
