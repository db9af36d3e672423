"""A fold that was interrupted ends like one that was not; a checkpoint of another fold is refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from merflow.errors import TrainingError
from merflow.training.resume import CHECKPOINT
from tests.training.interruption import assert_equal, interrupted, without_seconds
from tests.training.separable import fold, fresh_model, separable


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_fold_resumes_after_any_epoch(tmp_path: Path, after: int) -> None:
    interrupted(tmp_path / "stopped", after=after)
    resumed, whole = fresh_model(), fresh_model()
    history = fold(resumed, tmp_path / "stopped").history
    assert without_seconds(history.rows()) == without_seconds(fold(whole, tmp_path / "whole").history.rows())
    assert_equal(resumed.state_dict(), whole.state_dict())


def test_a_fold_resumes_with_the_patience_that_is_left(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"patience_epochs": 2, "lr": 0.3, "max_epochs": 40}
    whole = fold(fresh_model(), tmp_path / "whole", **changes).history
    assert len(whole.epochs) < 40
    interrupted(tmp_path / "stopped", after=len(whole.epochs) - 1, **changes)
    resumed = fold(fresh_model(), tmp_path / "stopped", **changes).history
    assert resumed.best_epoch == whole.best_epoch
    assert without_seconds(resumed.rows()) == without_seconds(whole.rows())


def test_a_keyboard_interrupt_leaves_a_complete_checkpoint(tmp_path: Path) -> None:
    def interrupt(done: int, _last: int, _figures: Mapping[str, float]) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fold(fresh_model(), tmp_path, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert len(fold(fresh_model(), tmp_path).history.epochs) == 10


def test_leftovers_of_a_killed_write_are_removed(tmp_path: Path) -> None:
    interrupted(tmp_path, after=2)
    (tmp_path / f".{CHECKPOINT}.abc.part").write_bytes(b"half")
    fold(fresh_model(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_finished_fold_is_not_trained_again(tmp_path: Path) -> None:
    model, again = fresh_model(), fresh_model()
    history = fold(model, tmp_path).history
    assert fold(again, tmp_path).history.rows() == history.rows(), "equal to the seconds"
    assert_equal(again.state_dict(), model.state_dict())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lr": 0.02}, "recipe.lr: 0.01 in the checkpoint, 0.02 now"),
        ({"optimizer": "adam"}, "recipe.optimizer: adamw in the checkpoint, adam now"),
    ],
)
def test_another_recipe_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    interrupted(tmp_path, after=1)
    with pytest.raises(TrainingError, match=named) as error:
        fold(fresh_model(), tmp_path, **changes)
    assert str(tmp_path / CHECKPOINT) in str(error.value)


def test_another_model_is_refused(tmp_path: Path) -> None:
    interrupted(tmp_path, after=1)
    with pytest.raises(TrainingError, match=r"model.config: .*system='mmt'.* in the checkpoint, .*system='lf'.* now"):
        fold(fresh_model("lf"), tmp_path)


@pytest.mark.parametrize("part", ["train", "dev"])
def test_other_data_are_refused(tmp_path: Path, part: str) -> None:
    interrupted(tmp_path, after=1)
    sources = {"train": separable(96, seed=1), "dev": separable(40, seed=2)}
    sources[part] = separable(len(sources[part]), seed=9)
    with pytest.raises(TrainingError, match=r"data: (96|40) utterances, "):
        fold(fresh_model(), tmp_path, train=sources["train"], dev=sources["dev"])


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
    with pytest.raises(TrainingError, match="is not a checkpoint of a fold"):
        fold(fresh_model(), tmp_path)
