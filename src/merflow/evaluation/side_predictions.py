"""Side tables of predictions, for any task: other epochs, or a missing input; checked on entry."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import pandas as pd

from merflow.errors import EvaluationError
from merflow.evaluation.tested_rows import AlignedRows

Rows = TypeVar("Rows", bound=AlignedRows)
# A table of predictions -> its variants, checked.
Split = Callable[[pd.DataFrame], dict[str, Rows]]


def side_variants(table: pd.DataFrame | None, split: Split[Rows], *, honest: Mapping[str, Rows]) -> dict[str, Rows]:
    """Split a side table by variant, after checking that it has exactly the tests of the honest predictions.

    Args:
        table: Rows of the table of predictions of the task; None or empty for no variants.
        split: Splits a table of the task by variant.
        honest: Variants of the honest predictions.

    Raises:
        EvaluationError: The table is malformed, or a variant was tested on different utterances than in ``honest``.
    """
    if table is None or table.empty:
        return {}
    variants = split(table)
    check_beside(honest, variants)
    return variants


def variants_without(
    missing: pd.DataFrame | None, split: Split[Rows], *, honest: Mapping[str, Rows]
) -> dict[str, dict[str, Rows]]:
    """Return the predictions per variant and missing input, with the small sets first.

    Args:
        missing: Rows with a column ``missing``; None for no rows.
        split: As :func:`side_variants`.
        honest: Variants of the honest predictions.

    Raises:
        EvaluationError: See :func:`side_variants`.
    """
    by_variant: dict[str, dict[str, Rows]] = {name: {} for name in honest}
    for inputs, table in missing_sets(missing).items():
        for name, variant in side_variants(table, split, honest=honest).items():
            by_variant[name][inputs] = variant
    return by_variant


def check_beside(honest: Mapping[str, AlignedRows], side: Mapping[str, AlignedRows]) -> None:
    """Raise if side predictions do not have exactly the tests of the honest ones.

    Raises:
        EvaluationError: A variant has no honest predictions, or was tested on other utterances.
    """
    for name, variant in side.items():
        if name not in honest:
            raise EvaluationError(f"{name} has side predictions but no test predictions; train it again")
        for column in ("utterance_ids", "seeds", "folds", "labels"):
            if not np.array_equal(getattr(variant, column), getattr(honest[name], column)):
                raise EvaluationError(
                    f"{name}: side predictions and test predictions have different {column}; train its folds again"
                )


def missing_sets(missing: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Split the table of missing inputs by what was missing, with the small sets first.

    Args:
        missing: Rows with a column ``missing``, which the parts lack; None for no rows.
    """
    if missing is None:
        return {}
    names = sorted(set(missing["missing"]), key=lambda inputs: (inputs.count("+"), inputs))
    return {inputs: missing[missing["missing"] == inputs].drop(columns="missing") for inputs in names}
