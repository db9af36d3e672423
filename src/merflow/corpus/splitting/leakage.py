"""Leakage between training and test data: speakers and dialogues are refused, and shared text is reported."""

from dataclasses import dataclass

import pandas as pd

from merflow.contracts.protocols import Part
from merflow.corpus.transcript import folded_words
from merflow.errors import SplitError


@dataclass(frozen=True)
class Shared:
    """A speaker or dialogue in two parts of a fold.

    Attributes:
        column: Column of the manifest, ``speaker`` or ``dialogue_id``.
        name: Its value.
        parts: The two parts.
    """

    column: str
    name: str
    parts: tuple[Part, Part]

    @property
    def word(self) -> str:
        """The column as a word."""
        return self.column.removesuffix("_id")


@dataclass(frozen=True)
class SharedText:
    """Shares, from 0 to 1, of test utterances whose words also occur as a whole training utterance.

    An utterance without words shares nothing. A share is None if the test part has no utterance of its kind, or if the
    corpus has no transcripts or does not distinguish scripted from improvised.
    """

    overall: float | None
    scripted: float | None
    improvised: float | None


def shared_text(train: pd.DataFrame, test: pd.DataFrame) -> SharedText:
    """Return the shares of the test part's text that occur verbatim in the training part; both are manifest rows."""
    if test["transcript"].isna().all():
        return SharedText(None, None, None)
    seen = {folded_words(text) for text in train["transcript"].dropna().unique()} - {""}
    shared = test["transcript"].map(lambda text: folded_words(text) in seen, na_action="ignore").eq(True)

    def share(rows: pd.Series) -> float | None:
        return float(rows.mean()) if len(rows) else None

    scripted = test["scripted"].astype("boolean")
    return SharedText(share(shared), share(shared[scripted.fillna(False)]), share(shared[~scripted.fillna(True)]))


def shared_between(
    column: str, *, first: pd.DataFrame, second: pd.DataFrame, parts: tuple[Part, Part]
) -> tuple[Shared, ...]:
    """Return the speakers or dialogues that two parts have in common, sorted."""
    return tuple(Shared(column, name, parts) for name in sorted(set(first[column]) & set(second[column])))


def refuse_shared(
    column: str, *, first: pd.DataFrame, second: pd.DataFrame, parts: tuple[Part, Part], fold: int, remedy: str
) -> None:
    """Raise if two parts of a fold have a speaker or a dialogue in common.

    Raises:
        SplitError: They do; the message names up to five.
    """
    shared = shared_between(column, first=first, second=second, parts=parts)
    if shared:
        names = ", ".join(each.name for each in shared[:5]) + (
            f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        )
        raise SplitError(f"fold {fold}: {shared[0].word} {names} would be in both {parts[0]} and {parts[1]}; {remedy}")
