"""Precision of the forward pass, and shapes of compiled passes."""

from pathlib import Path

import pytest
import torch

from merflow.inference.devices import autocast_dtype, gpus
from merflow.training.compiling import rounded_up
from tests.training.interruption import assert_equal, interrupted
from tests.training.separable import fold, fresh_model, params, separable

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("asked", "recipe", "dtype"),
    [
        ("auto", "float16", None),
        ("float32", "float16", None),
        ("float16", "bfloat16", torch.float16),
        ("bfloat16", "auto", torch.bfloat16),
    ],
)
def test_on_a_cpu_only_the_params_change_the_precision(asked: str, recipe: str, dtype: torch.dtype | None) -> None:
    assert autocast_dtype(params(precision=asked), device=CPU, precision=recipe) is dtype


def test_folds_are_distributed_over_the_visible_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus(params(device="auto")) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert gpus(params(device="auto")) == ["3", "5"]
    assert gpus(params(device="cpu")) == []


def test_on_a_gpu_the_recipe_sets_the_precision_unless_the_params_do() -> None:
    assert autocast_dtype(params(), device=GPU, precision="float16") is torch.float16
    assert autocast_dtype(params(precision="float32"), device=GPU, precision="float16") is None


def test_float16_with_a_scaled_loss_learns_and_resumes_bit_equal(tmp_path: Path) -> None:
    half = params(precision="float16")
    whole, resumed = fresh_model(), fresh_model()
    history = fold(whole, tmp_path / "whole", training=half, max_epochs=5).history
    assert history.best.dev_ua > 0.6
    interrupted(tmp_path / "stopped", after=2, training=half, max_epochs=5)
    fold(resumed, tmp_path / "stopped", training=half, max_epochs=5)
    assert_equal(resumed.state_dict(), whole.state_dict())


def test_padding_up_to_a_multiple_changes_no_result() -> None:
    batch = separable(9, seed=1).batch(range(9))
    longer = rounded_up(batch, roles=["speech_layers"])
    assert longer.features["speech_layers"].shape[:2] == (9, 32)
    assert longer.features["text_layers"] is batch.features["text_layers"]
    model = fresh_model().eval()
    with torch.no_grad():
        torch.testing.assert_close(model(longer).logits, model(batch).logits)
