"""Two processes that train one fold together, with gloo standing in for any backend."""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from merflow.contracts.batch import LossTerm, Output
from merflow.contracts.params import TrainingParams
from merflow.errors import TrainingError
from merflow.inference.devices import gpus
from merflow.inference.ranks import ALONE, Ranks
from merflow.training.parallel import average_gradients, environments, joined, share_of_loss
from tests.training.random_fold import assert_equal, outcome, together, train
from tests.training.separable import params

ONE, TWO = params(shadow_selection="none-paper"), params(shadow_selection="none-paper", devices_per_fold=2)

# 37 utterances in batches of 6: the last has one, and the second process has nothing to do in it.
RECIPE: dict[str, object] = {"batch_size": 6, "max_epochs": 3, "lr": 0.003}

# Without dropout, whose numbers each process draws for itself, and in double precision, where Adam's first steps do not
# magnify the rounding of gradients near zero. GIA-MIC's second loss counts for much.
CASES: dict[str, Any] = {
    "foal-net:full": {"config": {"dropout": 0.0, "projection_dropout": 0.0}, "recipe": RECIPE},
    "gia-mic:full": {"config": {"dropout": 0.0, "mic_weight": 2.0}, "recipe": RECIPE | {"clip_norm": 0.5}},
    "context-mmt:mmt-frozen": {"config": {"dropout": 0.0}, "recipe": RECIPE},
}
DOUBLE = torch.float64
DROPPING: dict[str, Any] = {"variant": "foal-net:full", "recipe": RECIPE}


class StopError(Exception):
    """Raised in the middle of a fold."""


def stop(done: int, _last: int, _figures: Mapping[str, float]) -> None:
    if done == 2:
        raise StopError


def scenario(folder: Path, *, params: TrainingParams, ranks: Ranks) -> dict[str, Any]:
    """Return the results of one of two processes."""
    found: dict[str, Any] = {}
    for variant, settings in CASES.items():
        found[variant] = outcome(train(variant, folder / variant, params=params, ranks=ranks, dtype=DOUBLE, **settings))
    found["dropping"] = outcome(train(folder=folder / "dropping", params=params, ranks=ranks, **DROPPING))
    with pytest.raises(StopError):
        train(folder=folder / "stopped", params=params, ranks=ranks, progress=stop, **DROPPING)
    found["stopped"] = [path.name for path in (folder / "stopped").iterdir()]
    found["resumed"] = outcome(train(folder=folder / "stopped", params=params, ranks=ranks, **DROPPING))
    found["gradients"] = gradients(ranks)
    return found


def gradients(ranks: Ranks) -> list[list[float] | None]:
    """Return averaged gradients: of both processes, of one, and of none."""
    parameters = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.tensor([1.0, 2.0]) * (1 + ranks.rank)
    if ranks.rank:
        parameters[1].grad = torch.tensor([0.0, 4.0])
    average_gradients(parameters, ranks)
    return [None if parameter.grad is None else parameter.grad.tolist() for parameter in parameters]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Results of each of the two processes."""
    return together(partial(scenario, tmp_path_factory.mktemp("together")), params=TWO)


@pytest.mark.parametrize("variant", CASES)
def test_two_processes_train_like_one(seen: list[dict[str, Any]], variant: str, tmp_path: Path) -> None:
    figures, weights, shadow = outcome(train(variant, tmp_path, params=ONE, dtype=DOUBLE, **CASES[variant]))
    found_figures, found_weights, found_shadow = seen[0][variant]
    assert len(found_figures) == 3
    for found, expected in zip(found_figures, figures, strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
    for name, value in weights.items():
        torch.testing.assert_close(found_weights[name], value, atol=1e-9, rtol=0)
    assert found_shadow == pytest.approx(shadow, abs=1e-6)


@pytest.mark.parametrize("name", [*CASES, "dropping"])
def test_both_processes_have_bit_equal_results(seen: list[dict[str, Any]], name: str) -> None:
    assert_equal(seen[1][name], seen[0][name])


def test_a_resumed_fold_ends_like_an_uninterrupted_one(seen: list[dict[str, Any]]) -> None:
    for found in seen:
        assert_equal(found["resumed"], found["dropping"])
    assert seen[0]["stopped"] == ["checkpoint.safetensors"]


def test_a_gradient_that_one_process_lacks_counts_as_zero(seen: list[dict[str, Any]]) -> None:
    assert [found["gradients"] for found in seen] == [[[1.5, 3.0], [0.0, 2.0], None]] * 2


def test_each_process_draws_its_own_random_numbers(seen: list[dict[str, Any]], tmp_path: Path) -> None:
    alone = outcome(train(folder=tmp_path, params=ONE, **DROPPING))
    assert seen[0]["dropping"][0][0]["train_loss"] != pytest.approx(alone[0][0]["train_loss"], abs=1e-5)


def test_shares_of_a_batch_are_weighted_by_their_size() -> None:
    terms = {"ce": LossTerm(torch.tensor(2.0)), "avel": LossTerm(torch.tensor(5.0), 0.1, joint=True)}
    output = Output(torch.zeros(0), torch.zeros(0), terms)
    shares = [share_of_loss(output, Ranks(rank, 3), utterances=4).item() for rank in range(3)]
    # Their mean is the batch's loss: the first share has two of four utterances, and the parts of avel add up.
    assert shares == pytest.approx([3 * (2 * 2 / 4 + 0.5), 3 * (2 * 1 / 4 + 0.5), 3 * (2 * 1 / 4 + 0.5)])
    assert share_of_loss(output, ALONE, utterances=4).item() == 2.5


def test_a_fold_gets_the_requested_number_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 5)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    two = params(device="auto", devices_per_fold=2)
    assert gpus(two) == ["0,1", "2,3"]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in environments(two)] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert [(each["RANK"], each["CUDA_VISIBLE_DEVICES"]) for each in environments(two)] == [("0", "4"), ("1", "7")]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        TrainingError, match=r"devices_per_fold is 2, but torch sees 1 GPU\(s\); set it to 1 or less"
    ) as told:
        environments(two)
    assert "merflow pipeline compile --set training.devices_per_fold=2" in str(told.value)


def test_without_accelerate_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(TrainingError, match=r"devices_per_fold needs accelerate .*; install merflow\[parallel\]"):
        joined(TWO).__enter__()
