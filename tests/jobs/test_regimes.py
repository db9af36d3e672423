"""Rows whose papers fine-tune encoders: they do so as their presets say, or every result says that they did not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from merflow.contracts.params import Params, TrainingParams
from merflow.contracts.regime import Regime
from merflow.evaluation.report.fold_page import fold_markdown
from merflow.features.batches.standardize import STANDARDIZER
from merflow.folds.inputs import FoldInputs
from merflow.inference.encoded import ENCODERS, has_encoders
from merflow.inference.trained_model import load_trained
from merflow.jobs.train import train
from merflow.presets import catalogue
from merflow.runs.fold_folder import read_predictions, read_record
from tests.jobs.conftest import files, fine_tuned

ROWS = fine_tuned("foal-net", "gia-mic")
NOTE = "encoders frozen; the paper fine-tunes them"


class StopError(Exception):
    """An interruption after the first epoch."""


def stop(_stage: str, done: int, _total: int) -> None:
    if done == 1:
        raise StopError


def fold_of(variant: str, corpus: Path, out: Path, params: TrainingParams, *, stopped: bool = False) -> Path:
    """Train fold 1, if asked for with an interruption after the first epoch."""
    call = {"out": out, "checkpoints": out.with_name(f"{out.name}-checkpoints"), "params": params, **files(corpus)}
    if stopped:
        with pytest.raises(StopError):
            train(f"{variant}:1", **call, progress=stop)
    return train(f"{variant}:1", **call)


@pytest.fixture(scope="module")
def training(params: Params) -> TrainingParams:
    return params.training.model_copy(update={"max_epochs": 2, "shadow_selection": "off"})


def test_which_rows_fine_tune_and_how() -> None:
    assert len(ROWS) == 6 + 10
    hearing = [each for each in catalogue.presets().values() if each.model in ("foal-net", "gia-mic")]
    assert {each.variant for each in hearing if "audio" in each.inputs} == set(ROWS)
    foal, gia = (catalogue.preset(variant).recipe for variant in ("foal-net:full", "gia-mic:full"))
    assert (foal.policy, foal.encoders, foal.lr, foal.encoder_lr) == ("partial", {"speech": "transformer"}, 1e-4, None)
    assert (gia.policy, gia.encoders, gia.lr, gia.encoder_lr) == ("full", {"speech": "everything"}, 1e-5, None)
    assert {foal.encoder_mode, gia.encoder_mode} == {"training"}
    assert (foal.batching, gia.batching) == ("random", "by-length"), "similarities look across the batch"
    assert catalogue.preset("gia-mic:v").recipe.lr == 1e-5


@pytest.mark.parametrize("variant", ROWS)
def test_a_fine_tuned_row_trains_and_resumes_bit_equal(
    variant: str, filmed: Path, training: TrainingParams, encoders: Path, tmp_path: Path
) -> None:
    whole = fold_of(variant, filmed, tmp_path / "whole", training)
    again = fold_of(variant, filmed, tmp_path / "again", training, stopped=True)
    record = read_record(whole)
    assert record.regime.note is None
    assert record.chosen_recipe.policy != "frozen"
    for name in ("model/model.safetensors", "predictions.parquet"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name
    learned, expected = (load_file(each / "model" / ENCODERS) for each in (again, whole))
    assert learned.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in learned.items())
    published = load_file(encoders / "wavlm-large/model.safetensors")
    moved = [n for n, value in learned.items() if not torch.equal(value, published[n.partition(".weights.")[2]])]
    assert len(moved) > len(learned) / 2
    assert not (whole / "model" / STANDARDIZER).exists(), "profile tiny leaves features as they are"


def test_alignment_reaches_the_classifier_through_the_encoder(
    filmed: Path, training: TrainingParams, tmp_path: Path
) -> None:
    """On stored features it cannot."""
    one = training.model_copy(update={"max_epochs": 1})
    for encoders in ("as-preset", "frozen"):
        params = one.model_copy(update={"encoders": encoders})
        folds = [fold_of(f"foal-net:{row}", filmed, tmp_path / encoders / row, params) for row in ("baseline", "avel")]
        frozen = [read_record(fold).regime.frozen_against_paper for fold in folds]
        assert frozen == [encoders == "frozen"] * 2
        probabilities = [read_predictions(fold).filter(like="p_") for fold in folds]
        assert probabilities[0].shape[1] > 0
        assert probabilities[0].equals(probabilities[1]) == (encoders == "frozen")


@pytest.mark.parametrize("variant", ["gia-mic:s", "gia-mic:v"])
def test_frozen_encoders_have_a_rate_of_their_own_and_are_told(
    variant: str, filmed: Path, training: TrainingParams, encoders: Path, tmp_path: Path
) -> None:
    frozen = training.model_copy(update={"encoders": "frozen", "max_epochs": 1})
    fold = fold_of("gia-mic:s", filmed, tmp_path / "fold", frozen) if variant == "gia-mic:s" else None
    inputs = FoldInputs.read(f"{variant}:1", params=frozen, **files(filmed))
    (recipe,) = inputs.recipes
    assert (recipe.policy, recipe.encoders, recipe.lr) == ("frozen", {}, 1e-4)
    as_preset = FoldInputs.read(f"{variant}:1", params=training, **files(filmed))
    assert as_preset.recipes == catalogue.preset(variant).recipes
    assert as_preset.fingerprint != inputs.fingerprint
    if fold is None:
        return
    record = read_record(fold)
    assert record.regime == Regime(asked=("full",), ran=("frozen",))
    assert record.regime.note == NOTE
    assert f"Stages: frozen ({NOTE})." in fold_markdown(record, ())
    assert not has_encoders(fold / "model")
    assert load_trained(fold / "model", encoders_folder=str(encoders)).record == record
