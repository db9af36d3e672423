"""Foal-Net as its public code trains it: WavLM's transformer learns, on one device and on two."""

import math
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from merflow.contracts.history import read_history
from merflow.contracts.params import Params, TrainingParams
from merflow.contracts.protocols import PARTS
from merflow.contracts.tracker import NullTracker
from merflow.folds.datasets import raw_dataset, stored_dataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.encoded import ENCODERS, EncodedModel
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.ranks import ALONE, Ranks
from merflow.models import MODELS
from merflow.models.foal_net import FoalNet, FoalNetConfig
from merflow.models.folder import load_model
from merflow.presets import catalogue
from merflow.runs.fold_folder import read_missing, read_predictions
from merflow.training.loop import train_fold
from merflow.training.stages import Material, Stage
from tests.cli.command import merflow
from tests.jobs.conftest import files
from tests.models.batches import EMOTIONS
from tests.training.random_fold import Outcome, outcome, together

VARIANT = "foal-net:as-released"

# What is drawn is drawn by each device for itself.
DRY: dict[str, Any] = {"dropout": 0.0, "projection_dropout": 0.0, "negatives": "hardest"}


def options(filmed: Path, out: Path, *settings: str) -> list[object]:
    """Return the options of ``merflow train``."""
    given = [part for name, path in files(filmed).items() for part in (f"--{name}", path)]
    return [*given, "--out", out, *(part for each in ("training.max_epochs=2", *settings) for part in ("--set", each))]


def test_its_settings_are_those_of_the_public_code() -> None:
    preset = catalogue.preset(VARIANT)
    config = MODELS["foal-net"].configure(preset.config)
    assert config == FoalNetConfig(
        modalities=("speech", "video"),
        avel=True,
        mem=True,
        mem_weight=0.1,
        negatives="sampled",
        without_negatives="paired",
        temperature="divides",
        gathered="without-gradient",
        waveform="raw",
    )
    (recipe,) = preset.recipes
    assert (recipe.policy, recipe.encoders) == ("partial", {"speech": "transformer"})
    assert (recipe.max_epochs, recipe.patience_epochs, recipe.lr, recipe.schedule) == (40, None, 1e-4, "constant")
    assert (recipe.batch_size, recipe.micro_batch) == (64, 16), "4 x 16 recordings a step, similarities over all 64"
    assert (recipe.precision, recipe.sampling, recipe.optimizer) == ("float16", "class-balanced", "adamw")
    assert (recipe.batching, recipe.encoder_mode) == ("random", "training")


@pytest.fixture(scope="module")
def fold(filmed: Path) -> Path:
    """Trained by the command."""
    said = merflow("train", f"{VARIANT}:1", *options(filmed, filmed / "fold"))
    assert said.code == 0, said
    assert f"train {VARIANT}:1: epoch " in said.err
    return filmed / "fold"


def test_it_trains_and_keeps_what_the_transformer_of_wavlm_learned(fold: Path, encoders: Path) -> None:
    model, record = load_model(fold / "model")
    assert record.stages == ("partial",)
    assert record.recipes[0].sampling == "class-balanced"
    assert str(record.selection) == "highest UA of a share of the training dialogues"
    temperature = model.get_parameter("embed.align.temperature").item()
    assert temperature != math.log(1 / 0.07)
    assert temperature == pytest.approx(math.log(1 / 0.07), abs=1e-3), "two steps of 1e-4 from where it starts"
    with safe_open(fold / "model" / ENCODERS, framework="pt") as file:
        learned = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    names = {name.removeprefix("networks.speech.weights.") for name in learned}
    parts = {name.partition(".")[0] for name in names}
    assert parts == {"feature_projection", "encoder"}, "all behind the convolutions, and nothing of CLIP"
    published = load_file(encoders / "wavlm-large/model.safetensors")
    moved = [name for name in names if not torch.equal(learned[f"networks.speech.weights.{name}"], published[name])]
    assert len(moved) > len(names) / 2


def test_its_figures_and_those_without_a_modality(fold: Path) -> None:
    honest, missing = read_predictions(fold), read_missing(fold)
    assert missing is not None
    assert sorted(set(missing["missing"])) == ["audio", "video"]
    assert len(missing) == 2 * len(honest) > 0
    assert all(np.isfinite(epoch.train_loss) for epoch in read_history(fold))


def test_in_sixteen_bits_with_a_scaled_loss_on_a_cpu_too(filmed: Path, fold: Path, tmp_path: Path) -> None:
    """By itself a CPU computes in float32; asked for float16, it casts and scales as a GPU does."""
    half = merflow("train", f"{VARIANT}:1", *options(filmed, tmp_path / "fold", "training.precision=float16"))
    assert half.code == 0, half
    losses = [[epoch.train_loss for epoch in read_history(each)] for each in (fold, tmp_path / "fold")]
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_killed_and_started_again_it_ends_the_same(filmed: Path, fold: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "merflow", "train", f"{VARIANT}:1", *map(str, options(filmed, tmp_path / "fold"))]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/*/checkpoint.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "fold").exists()
    assert merflow("train", f"{VARIANT}:1", *options(filmed, tmp_path / "fold")).code == 0
    for name in ("model/model.safetensors", "predictions.parquet", "none-paper.parquet", "missing.parquet"):
        assert (tmp_path / "fold" / name).read_bytes() == (fold / name).read_bytes(), name


def dry(filmed: Path, folder: Path, *, params: TrainingParams, ranks: Ranks = ALONE) -> Outcome:
    """Run the stage without per-device randomness, in micro-batches that differ between the shares."""
    inputs = FoldInputs.read(f"{VARIANT}:1", **files(filmed), params=params)
    config = FoalNetConfig(**inputs.preset.config | DRY)
    torch.manual_seed(0)
    model = FoalNet(config, shapes=stored_dataset(inputs, "train").shapes, task=EMOTIONS)
    recipe = inputs.recipes[0].model_copy(update={"batch_size": 7, "micro_batch": 2, "max_epochs": 2})
    encoders = EncodersInGraph(
        inputs.streams,
        profile=inputs.profile,
        learning=inputs.learning(recipe),
        standardizer=None,
        mode="evaluation",
    )
    parts = [raw_dataset(inputs, part, recipe, standardizer=None) for part in PARTS]
    material = Material(EncodedModel(encoders, model), EMOTIONS, *parts)
    stage = Stage(recipe, lambda: material)
    return outcome(train_fold([stage], seed=0, params=params, folder=folder, tracker=NullTracker(), ranks=ranks))


def test_two_devices_fine_tune_as_one(filmed: Path, params: Params, tmp_path: Path) -> None:
    two = params.training.model_copy(update={"devices_per_fold": 2, "device": "cpu"})
    figures, weights, _ = dry(filmed, tmp_path / "one", params=two.model_copy(update={"devices_per_fold": 1}))
    (found_figures, found_weights, _), (_, others, _) = together(partial(dry, filmed, tmp_path / "two"), params=two)
    for found, expected in zip(found_figures, figures, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    assert sum(name.startswith("encoders.") for name in weights) > 10
    for name, value in weights.items():
        assert torch.equal(found_weights[name], others[name])
        torch.testing.assert_close(found_weights[name], value, atol=1e-5, rtol=0)
