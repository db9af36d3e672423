"""Groups of sessions or speakers that are tested together, by protocol."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from merflow.contracts.split_params import SplitParams
from merflow.errors import SplitError

_LISTED = 12


@dataclass(frozen=True)
class TestedGroups:
    """Test data of every fold.

    Attributes:
        column: Column of the manifest that defines the groups; dialogues of test speakers are not trained on.
        groups: Sessions or speakers of each fold, sorted.
    """

    column: Literal["session", "speaker"]
    groups: tuple[tuple[str, ...], ...]


def tested_groups(labelled: pd.DataFrame, *, params: SplitParams) -> TestedGroups:
    """Return the test data of every fold of a protocol other than ``official``.

    Raises:
        SplitError: The corpus has too few sessions or speakers for the protocol, or too many.
    """
    sessions, speakers = (sorted(labelled[name].unique()) for name in ("session", "speaker"))
    if params.protocol == "k-fold":
        return TestedGroups("speaker", _dealt(labelled, folds=params.folds, seed=params.seed))
    if params.protocol in ("speaker-10fold", "leave-one-speaker-out"):
        _check(speakers, "speaker", expected=params.known_folds, protocol=params.protocol)
        return TestedGroups("speaker", tuple((name,) for name in speakers))
    expected = None if params.protocol == "leave-one-session-out" else 5
    _check(sessions, "session", expected=expected, protocol=params.protocol)
    tested = sessions[-1:] if params.protocol == "session5-only" else sessions
    return TestedGroups("session", tuple((name,) for name in tested))


def _check(groups: list[str], column: str, *, expected: int | None, protocol: str) -> None:
    """Raise unless there are as many groups as expected, or at least two if any number will do."""
    if len(groups) == expected or (expected is None and len(groups) > 1):
        return
    needed = f"exactly {expected}" if expected else "at least two"
    names = ", ".join(groups[:_LISTED]) + (", ..." if len(groups) > _LISTED else "")
    other = "leave-one-session-out" if column == "session" else "leave-one-speaker-out"
    remedy = f"set splits.protocol={other}, which takes any number" if expected else "choose another splits.protocol"
    raise SplitError(
        f"{protocol} needs {needed} {column}s with labelled utterances, but the corpus has {len(groups)} ({names}); "
        f"{remedy}, or change the column {column!r}"
    )


def _dealt(labelled: pd.DataFrame, *, folds: int, seed: int) -> tuple[tuple[str, ...], ...]:
    """Distribute the speakers over folds with about the same number of utterances; the seed orders ties.

    Speakers who talk with each other stay together if there are enough such groups for the folds, so that no turns
    have to be left out.
    """
    units = _circles(labelled)
    if len(units) < folds:
        units = [(name,) for name in sorted(labelled["speaker"].unique())]
    if len(units) < folds:
        raise SplitError(
            f"k-fold with splits.folds={folds} needs at least {folds} speakers with labelled utterances, but the "
            f"corpus has {len(units)} ({', '.join(name for (name,) in units)}); lower splits.folds"
        )
    turns = labelled["speaker"].value_counts()
    sizes = [int(turns.loc[list(unit)].sum()) for unit in units]
    shuffled = np.random.default_rng([seed, folds]).permutation(len(units))
    dealt: list[list[str]] = [[] for _ in range(folds)]
    loads = [0] * folds
    for index in sorted(shuffled, key=lambda index: -sizes[index]):
        smallest = loads.index(min(loads))
        dealt[smallest] += units[index]
        loads[smallest] += sizes[index]
    return tuple(tuple(sorted(names)) for names in dealt)


def _circles(labelled: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return groups of speakers such that no dialogue has speakers of two groups."""
    circle_of: dict[str, frozenset[str]] = {}
    for _, met in labelled.groupby("dialogue_id")["speaker"]:
        circle = frozenset(met).union(*(circle_of.get(name, ()) for name in met.unique()))
        circle_of |= dict.fromkeys(circle, circle)
    return sorted(tuple(sorted(circle)) for circle in set(circle_of.values()))
