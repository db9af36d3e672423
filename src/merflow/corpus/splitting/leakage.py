"""What must not pass from training to test data: speakers, dialogues and, as a reported figure, scripted text."""

from dataclasses import dataclass

import pandas as pd

from merflow.corpus.transcript import folded_words
from merflow.errors import SplitError


@dataclass(frozen=True)
class SharedText:
    """Share of test utterances whose spoken words also occur as a whole training utterance, from 0 to 1.

    An utterance without words shares nothing. None where the test part has no utterance of that kind, or the corpus
    has no transcripts or does not tell scripted from improvised.
    """

    overall: float | None
    scripted: float | None
    improvised: float | None


def shared_text(train: pd.DataFrame, test: pd.DataFrame) -> SharedText:
    """How much of the test part's text training has seen word for word. Both are manifest rows."""
    if test["transcript"].isna().all():
        return SharedText(None, None, None)
    seen = {folded_words(text) for text in train["transcript"].dropna().unique()} - {""}
    shared = test["transcript"].map(lambda text: folded_words(text) in seen, na_action="ignore").eq(True)

    def share(rows: pd.Series) -> float | None:
        return float(rows.mean()) if len(rows) else None

    scripted = test["scripted"].astype("boolean")
    return SharedText(share(shared), share(shared[scripted.fillna(False)]), share(shared[~scripted.fillna(True)]))


def refuse_shared(
    column: str, *, first: pd.DataFrame, second: pd.DataFrame, parts: tuple[str, str], fold: int, mend: str
) -> None:
    """Checks that two parts of a fold have no speaker or dialogue in common.

    Raises:
        SplitError: Naming up to five of those that are shared.
    """
    shared = sorted(set(first[column]) & set(second[column]))
    if shared:
        word = column.removesuffix("_id")
        names = ", ".join(shared[:5]) + (f" and {len(shared) - 5} more" if len(shared) > 5 else "")
        raise SplitError(f"fold {fold}: {word} {names} would be in both {parts[0]} and {parts[1]}; {mend}")
