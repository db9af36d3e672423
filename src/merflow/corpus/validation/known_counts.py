"""Counts of a release that are known before it is read, with a name for each kind of difference from them.

A difference that the user accepts is listed in ``corpus.accept``; it is recorded with the manifest and is not an error.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from merflow.contracts.params import AcceptedDifference

Count = tuple[AcceptedDifference, str, object, object]
"""A kind of difference, the thing that is counted, and the number that is expected and found."""


@dataclass(frozen=True)
class KnownRelease:
    """A release whose counts are known.

    Attributes:
        name: Name of the corpus.
        compare: Compares manifest rows with the known counts: a table with the text columns ``difference``, ``what``,
            ``expected`` and ``found``, and one row per count.
        in_words: Describes a kind of difference, from its name, its first count that differs, and the table.
        match: Describes what matches in a table; empty if there is nothing to say.
        advice: Differences -> what else to do if it is accepted.
    """

    name: str
    compare: Callable[[pd.DataFrame], pd.DataFrame]
    in_words: Callable[[str, str, pd.DataFrame], str]
    match: Callable[[pd.DataFrame], str]
    advice: Mapping[AcceptedDifference, str]


def table_of(counts: Iterable[Count]) -> pd.DataFrame:
    """Return counts as the table of a comparison."""
    return pd.DataFrame(list(counts), columns=["difference", "what", "expected", "found"]).astype("str")


def differences(release: KnownRelease, compared: pd.DataFrame) -> dict[str, str]:
    """Return a description of each kind of difference that a comparison found."""
    unequal = compared[compared["expected"] != compared["found"]].drop_duplicates("difference")
    words = {}
    for row in unequal.to_dict("records"):
        first = f"{row['what']}: expected {row['expected']}, found {row['found']}"
        words[row["difference"]] = release.in_words(row["difference"], first, compared)
    return words


def verdict(release: KnownRelease, compared: pd.DataFrame, *, accepted: Sequence[str]) -> str:
    """Return one line on what is wrong, what matches and what to do; empty if all differences are accepted."""
    found = differences(release, compared)
    left = [name for name in found if name not in accepted]
    if not left:
        return ""
    wrong = f"this is not {release.name} as released: {', and '.join(found[name] for name in left)}"
    names = ",".join([*(name for name in accepted if name in found), *left])
    remedy = f"restore what is missing, or continue with --set 'corpus.accept=[{names}]', which records it"
    advice = [words for name, words in release.advice.items() if name in left]
    return "; ".join(filter(None, [wrong, release.match(compared), ", and ".join([remedy, *advice])]))
