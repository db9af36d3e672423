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
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.folds.datasets import raw_dataset, stored_dataset
from merflow.folds.inputs import FoldInputs
from merflow.inference.encoded import ENCODERS, EncodedModel
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.inference.ranks import ALONE, Ranks
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.models import MODELS
from merflow.models.foal_net import FoalNet, FoalNetConfig
from merflow.models.folder import load_model
from merflow.presets import catalogue
from merflow.runs.fold_folder import read_missing, read_predictions
from merflow.training.loop import train_fold
from merflow.training.stages import Material, Stage
from tests.cli.command import merflow
from tests.training.random_fold import Outcome, outcome, together

VARIANT = "foal-net:as-released"

# What is drawn is drawn by each device for itself.
DRY: dict[str, Any] = {"dropout": 0.0, "projection_dropout": 0.0, "negatives": "hardest"}


@pytest.fixture(scope="module")
def corpus(encoders: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two utterances of each speaker with pictures: manifest, splits, and the features that are needed."""
    place = tmp_path_factory.mktemp("corpus")
    release = synthesize(place / "release", size="tiny", video=True)
    index(release, corpus="iemocap", out=place / "all.parquet", params=params.corpus)
    found = read_manifest(place / "all.parquet")
    rows = found.rows[found.rows["emotion"].notna()].groupby("speaker").head(2)
    few = Manifest(rows.reset_index(drop=True), root=found.root, corpus=found.corpus, taxonomy=found.taxonomy)
    write_manifest(few, place / "manifest.parquet")
    split(place / "manifest.parquet", out=place / "splits.parquet", params=params.splits)
    extract(
        place / "manifest.parquet",
        variants=[VARIANT],
        store=place / "store",
        out=place / "features.json",
        params=params.features.model_copy(update={"profile": "tiny", "encoders_folder": str(encoders), "workers": 0}),
        corpus=params.corpus,
    )
    return place


def files(corpus: Path) -> dict[str, Any]:
    names = {"manifest": "manifest.parquet", "splits": "splits.parquet", "features": "features.json"}
    return {option: corpus / name for option, name in names.items()}


def options(corpus: Path, out: Path, *settings: str) -> list[object]:
    """Return the options of ``merflow train``."""
    given = [part for name, path in files(corpus).items() for part in (f"--{name}", path)]
    return [*given, "--out", out, *(part for each in ("training.max_epochs=2", *settings) for part in ("--set", each))]


def test_its_settings_are_those_of_the_public_code() -> None:
    preset = catalogue.preset(VARIANT)
    config = MODELS["foal-net"].configure(preset.config)
    assert config == FoalNetConfig(
        modalities=("speech", "video"), avel=True, mem=True, mem_weight=0.1, negatives="sampled", temperature="divides"
    )
    (recipe,) = preset.recipes
    assert (recipe.policy, recipe.encoders) == ("partial", {"speech": "transformer"})
    assert (recipe.max_epochs, recipe.patience_epochs, recipe.lr, recipe.schedule) == (40, None, 1e-4, "constant")
    assert (recipe.batch_size, recipe.micro_batch) == (64, 16), "4 x 16 recordings a step, similarities over all 64"
    assert (recipe.precision, recipe.sampling, recipe.optimizer) == ("float16", "class-balanced", "adamw")


@pytest.fixture(scope="module")
def fold(corpus: Path) -> Path:
    """Trained by the command."""
    said = merflow("train", f"{VARIANT}:1", *options(corpus, corpus / "fold"))
    assert said.code == 0, said
    assert f"train {VARIANT}:1: epoch " in said.err
    return corpus / "fold"


def test_it_trains_and_keeps_what_the_transformer_of_wavlm_learned(fold: Path, encoders: Path) -> None:
    model, record = load_model(fold / "model")
    assert record.stages == ("partial",)
    assert record.recipes[0].sampling == "class-balanced"
    assert str(record.selection) == "highest UA of one training speaker"
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


def test_in_sixteen_bits_with_a_scaled_loss_on_a_cpu_too(corpus: Path, fold: Path, tmp_path: Path) -> None:
    """By itself a CPU computes in float32; asked for float16, it casts and scales as a GPU does."""
    half = merflow("train", f"{VARIANT}:1", *options(corpus, tmp_path / "fold", "training.precision=float16"))
    assert half.code == 0, half
    losses = [[epoch.train_loss for epoch in read_history(each)] for each in (fold, tmp_path / "fold")]
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


def test_killed_and_started_again_it_ends_alike(corpus: Path, fold: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "merflow", "train", f"{VARIANT}:1", *map(str, options(corpus, tmp_path / "fold"))]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("checkpoints/*/checkpoint.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "fold").exists()
    assert merflow("train", f"{VARIANT}:1", *options(corpus, tmp_path / "fold")).code == 0
    for name in ("model/model.safetensors", "predictions.parquet", "none-paper.parquet", "missing.parquet"):
        assert (tmp_path / "fold" / name).read_bytes() == (fold / name).read_bytes(), name


def dry(corpus: Path, folder: Path, *, params: TrainingParams, ranks: Ranks = ALONE) -> Outcome:
    """Run the stage without per-device randomness, in micro-batches that differ between the shares."""
    inputs = FoldInputs.read(f"{VARIANT}:1", **files(corpus), params=params)
    standardizer = stored_dataset(inputs, "train").fit_standardizer()
    config = FoalNetConfig(**inputs.preset.config | DRY)
    torch.manual_seed(0)
    model = FoalNet(config, shapes=stored_dataset(inputs, "train").shapes, classes=4)
    recipe = inputs.recipes[0].model_copy(update={"batch_size": 7, "micro_batch": 2, "max_epochs": 2})
    encoders = EncodersInGraph(
        inputs.streams, profile=inputs.profile, learning=inputs.learning(recipe), standardizer=standardizer
    )
    parts = [raw_dataset(inputs, part, recipe, standardizer=standardizer) for part in PARTS]
    material = Material(EncodedModel(encoders, model), *parts)
    stage = Stage(recipe, lambda: material)
    return outcome(train_fold([stage], seed=0, params=params, folder=folder, tracker=NullTracker(), ranks=ranks))


def test_two_devices_fine_tune_as_one(corpus: Path, params: Params, tmp_path: Path) -> None:
    two = params.training.model_copy(update={"devices_per_fold": 2, "device": "cpu"})
    figures, weights, _ = dry(corpus, tmp_path / "one", params=two.model_copy(update={"devices_per_fold": 1}))
    (found_figures, found_weights, _), (_, others, _) = together(partial(dry, corpus, tmp_path / "two"), params=two)
    for found, expected in zip(found_figures, figures, strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    assert sum(name.startswith("encoders.") for name in weights) > 10
    for name, value in weights.items():
        assert torch.equal(found_weights[name], others[name])
        torch.testing.assert_close(found_weights[name], value, atol=1e-5, rtol=0)
