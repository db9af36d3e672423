"""A fold that stops after some epochs, and the parts in which an undisturbed one must equal it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.separable import fold, fresh_model


class StopError(Exception):
    """Raised in the middle of a fold."""


def stop_after(epoch: int) -> Any:  # noqa: ANN401 - a progress callback
    def progress(done: int, _last: int, _figures: Mapping[str, float]) -> None:
        if done == epoch:
            raise StopError

    return progress


def interrupted(folder: Path, *, after: int, **recipe_changes: Any) -> None:  # noqa: ANN401 - a recipe's values
    with pytest.raises(StopError):
        fold(fresh_model(), folder, progress=stop_after(after), **recipe_changes)


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
