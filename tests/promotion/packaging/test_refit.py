"""A refit resumes after an interruption, and has the same stages as the folds' final weights."""

import multiprocessing
import os
import shutil
import signal
from pathlib import Path

import pytest

from merflow.contracts.fold_record import FOLD_RECORD, read_fold_record
from merflow.contracts.model_package import read_package
from merflow.errors import ModelError
from merflow.inference.answers import Prediction
from merflow.inference.media_clips import Clip
from merflow.inference.packaged_model import load_package
from merflow.promotion.packaging.benchmarked import find_variant
from merflow.promotion.packaging.chosen_epochs import stage_epochs
from merflow.promotion.packaging.package import build_package
from merflow.training.resume import CHECKPOINT
from tests.promotion.packaging.benchmarks import VARIANT, packaged
from tests.promotion.packaging.conftest import TWO_STAGES


def built(run: Path, out: Path, checkpoints: Path, *, stop: str = "") -> None:
    """Refit, and stop after the second epoch by an interrupt or by a kill."""

    def progress(stage: str, done: int, _total: int) -> None:
        if stage.startswith("refit") and done == 2:
            if stop == "interrupt":
                raise KeyboardInterrupt
            if stop == "kill":
                os.kill(os.getpid(), signal.SIGKILL)

    build_package(
        run,
        VARIANT,
        kind="refit",
        out=out,
        coverage=0.8,
        device="cpu",
        checkpoints=checkpoints,
        progress=progress,
    )


def test_a_refit_that_was_killed_and_interrupted_ends_the_same(benchmark: Path, refitted: Path, tmp_path: Path) -> None:
    out, checkpoints = tmp_path / "package", tmp_path / "checkpoints"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch._dynamo"])
    process = context.Process(target=built, args=(benchmark, out, checkpoints), kwargs={"stop": "kill"})
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    (checkpoint,) = checkpoints.glob(f"*/{CHECKPOINT}")
    with pytest.raises(KeyboardInterrupt):
        built(benchmark, out, checkpoints, stop="interrupt")
    assert not out.exists()
    assert checkpoint.is_file()
    built(benchmark, out, checkpoints)
    assert not checkpoint.exists()
    (member,) = read_package(out).members
    assert member.epochs > 2, "there was something left to train"
    for file in ("model.safetensors", "standardizer.safetensors"):
        assert (out / member.folder / file).read_bytes() == (refitted / member.folder / file).read_bytes()


def test_a_refit_of_two_stages_has_the_epochs_of_each(fine_tuned: Path, tmp_path: Path) -> None:
    epochs = stage_epochs(find_variant(fine_tuned, TWO_STAGES).folds)
    package = packaged(fine_tuned, tmp_path / "package", variant=TWO_STAGES, kind="refit")
    (member,) = read_package(package).members
    record = read_fold_record(package / member.folder)
    assert member.epochs == sum(epochs)
    assert len(record.recipes) == sum(1 for count in epochs if count)
    assert record.chosen.stage == len(record.recipes)


def test_an_encoder_folder_that_changed_is_refused(fine_tuned: Path, encoders: Path, tmp_path: Path) -> None:
    package = packaged(fine_tuned, tmp_path / "package", variant=TWO_STAGES)
    changed = tmp_path / "encoders"
    shutil.copytree(encoders, changed)
    clip = Clip("one", text="i can not believe it")
    (prediction,) = load_package(package, encoders_folder=str(changed), device="cpu").predict([clip])
    assert isinstance(prediction, Prediction)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    named = read_fold_record(package / "members/00").encoder_specs
    model = str(next(iter(named.values())).settings["model"])
    (weights,) = (changed / model.rpartition("/")[2]).rglob("*.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"was trained with .* but .* holds files .*; restore that folder"):
        load_package(package, encoders_folder=str(changed), device="cpu")
    assert (package / "members/00" / FOLD_RECORD).is_file()
