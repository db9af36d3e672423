"""A fold that is killed, and killed again, ends as one that was left alone."""

import json
import multiprocessing
import random
import time
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from merflow.contracts.errors import TrainingError
from merflow.contracts.tracker import NullTracker
from merflow.training.loop import train_fold
from merflow.training.resume import CHECKPOINT
from tests.training.separable import fold, fresh_model, params, recipe, separable, train_to_the_end

KILLS = 10


class StopError(Exception):
    """Raised in the middle of a fold."""


def stop_after(epoch: int) -> Any:  # noqa: ANN401 - a progress callback
    def progress(done: int, _last: int, _figures: Mapping[str, float]) -> None:
        if done == epoch:
            raise StopError

    return progress


def interrupted(folder: Path, *, after: int, **recipe_changes: object) -> None:
    with pytest.raises(StopError):
        train_fold(
            fresh_model(),
            train=separable(96, seed=1),
            dev=separable(40, seed=2),
            recipe=recipe(**recipe_changes),
            params=params(),
            folder=folder,
            tracker=NullTracker(),
            progress=stop_after(after),
        )


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def started(process: BaseProcess, result: Path) -> float:
    """Starts the process and returns the moment at which its fold begins."""
    mark = result.with_suffix(".started")
    mark.unlink(missing_ok=True)
    process.start()
    while not mark.exists():
        assert process.is_alive()
        time.sleep(0.001)
    return time.perf_counter()


def epochs_in(checkpoint: Path) -> int:
    with safe_open(checkpoint, framework="pt") as file:
        return len(json.loads(file.metadata()["history"])["epochs"])


def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    changes: dict[str, object] = {"max_epochs": 25}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.training.separable", "torch._dynamo"]
    )  # else each process takes a second more
    undisturbed, result, folder = tmp_path / "undisturbed.pt", tmp_path / "result.pt", tmp_path / "fold"
    process = context.Process(target=train_to_the_end, args=(tmp_path / "other", undisturbed, changes))
    begin = started(process, undisturbed)
    process.join(60)
    whole_s = time.perf_counter() - begin
    moments = random.Random(0)
    killed, epochs_seen = 0, set()
    for _ in range(KILLS):
        process = context.Process(target=train_to_the_end, args=(folder, result, changes))
        started(process, result)
        process.join(moments.uniform(0.0, 0.2) * whole_s)
        killed += process.is_alive()
        process.kill()
        process.join(10)
        if (folder / CHECKPOINT).is_file():
            epochs_seen.add(epochs_in(folder / CHECKPOINT))
    assert killed >= KILLS // 2
    assert len(epochs_seen) >= 3
    process = context.Process(target=train_to_the_end, args=(folder, result, changes))
    process.start()
    process.join(60)
    expected, found = torch.load(undisturbed), torch.load(result)
    assert_equal(found["weights"], expected["weights"])
    assert found["best"] == expected["best"]
    assert without_seconds(found["history"]) == without_seconds(expected["history"])
    assert sorted(path.name for path in folder.iterdir()) == ["history.json"]


@pytest.mark.parametrize("after", [1, 4, 9])
def test_resumed_after_any_epoch(tmp_path: Path, after: int) -> None:
    interrupted(tmp_path / "stopped", after=after)
    resumed, whole = fresh_model(), fresh_model()
    history = fold(resumed, tmp_path / "stopped")
    assert without_seconds(history.rows()) == without_seconds(fold(whole, tmp_path / "whole").rows())
    assert_equal(resumed.state_dict(), whole.state_dict())


def test_resumed_with_patience_running(tmp_path: Path) -> None:
    changes = {"patience_epochs": 2, "lr": 0.3, "max_epochs": 40}
    whole = fold(fresh_model(), tmp_path / "whole", **changes)
    assert len(whole.epochs) < 40
    interrupted(tmp_path / "stopped", after=len(whole.epochs) - 1, **changes)
    resumed = fold(fresh_model(), tmp_path / "stopped", **changes)
    assert resumed.best_epoch == whole.best_epoch
    assert without_seconds(resumed.rows()) == without_seconds(whole.rows())


def test_keyboard_interrupt_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    def interrupt(done: int, _last: int, _figures: Mapping[str, float]) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_fold(
            fresh_model(),
            train=separable(96, seed=1),
            dev=separable(40, seed=2),
            recipe=recipe(),
            params=params(),
            folder=tmp_path,
            tracker=NullTracker(),
            progress=interrupt,
        )
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert len(fold(fresh_model(), tmp_path).epochs) == 10


def test_leftovers_of_a_killed_write_are_cleared(tmp_path: Path) -> None:
    interrupted(tmp_path, after=2)
    (tmp_path / f".{CHECKPOINT}.abc.part").write_bytes(b"half")
    fold(fresh_model(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["history.json"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": 0.02}, "recipe.lr: 0.01 there, 0.02 now"),
        ({"optimizer": "adam"}, "recipe.optimizer: adamw there, adam now"),
    ],
)
def test_another_recipe_is_refused(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    interrupted(tmp_path, after=1)
    with pytest.raises(TrainingError, match=named) as error:
        fold(fresh_model(), tmp_path, **changes)
    assert str(tmp_path / CHECKPOINT) in str(error.value)


def test_another_model_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, after=1)
    with pytest.raises(TrainingError, match=r"model.config: .*system='mmt'.* there, .*system='lf'.* now"):
        fold(fresh_model("lf"), tmp_path)


@pytest.mark.parametrize("part", ["train", "dev"])
def test_other_data_are_refused(tmp_path: Path, part: str) -> None:
    interrupted(tmp_path, after=1)
    sources = {"train": separable(96, seed=1), "dev": separable(40, seed=2)}
    sources[part] = separable(len(sources[part]), seed=9)
    with pytest.raises(TrainingError, match=r"data: (96|40) utterances, "):
        train_fold(
            fresh_model(),
            train=sources["train"],
            dev=sources["dev"],
            recipe=recipe(),
            params=params(),
            folder=tmp_path,
            tracker=NullTracker(),
        )


def test_restart_forgets_a_foreign_checkpoint(tmp_path: Path) -> None:
    interrupted(tmp_path / "other", after=1, lr=0.02)
    model, untouched = fresh_model(), fresh_model()
    train_fold(
        model,
        train=separable(96, seed=1),
        dev=separable(40, seed=2),
        recipe=recipe(),
        params=params(),
        folder=tmp_path / "other",
        tracker=NullTracker(),
        restart=True,
    )
    fold(untouched, tmp_path / "fresh")
    assert_equal(model.state_dict(), untouched.state_dict())


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_corrupt_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    interrupted(tmp_path, after=1)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "text": b"not a checkpoint " * 9}[damage])
    with pytest.raises(TrainingError, match="is corrupt") as error:
        fold(fresh_model(), tmp_path)
    assert str(path) in str(error.value)


def test_a_file_of_other_tensors_is_named(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / CHECKPOINT)
    with pytest.raises(TrainingError, match="is no checkpoint of a fold"):
        fold(fresh_model(), tmp_path)
