"""Comparison of an indexed CMU-MOSEI with the counts in papers, with a name for each kind of difference."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from merflow.contracts.protocols import PARTS, Part
from merflow.corpus.mosei_counts import MOSEI_COUNTS
from merflow.corpus.validation.known_counts import Count, KnownRelease, table_of

_ROUNDED = range(-3, 4)


def compare_with_mosei(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare the utterances that have a sentiment with every known count; recordings do not matter.

    Args:
        rows: Manifest rows, where each video is a dialogue.

    Returns:
        See :class:`~merflow.corpus.validation.known_counts.KnownRelease`.
    """
    labelled = rows[rows["sentiment"].notna() & rows["official_split"].notna()]
    videos = labelled.drop_duplicates(["dialogue_id", "official_split"])["dialogue_id"]
    counts: list[Count] = [count for part in PARTS for count in _of_part(labelled, part)]
    counts.append(("other-split", "videos in two parts", 0, int(videos.duplicated().sum())))
    return table_of(counts)


def _of_part(labelled: pd.DataFrame, part: Part) -> Iterator[Count]:
    rows, known = labelled[labelled["official_split"] == part], MOSEI_COUNTS[part]
    scores = rows["sentiment"].to_numpy(dtype=np.float64)
    rounded = np.rint(scores)  # halves to even, as the counts were made
    yield "other-split", f"{part} utterances", known.utterances, len(rows)
    yield "other-split", f"{part} videos", known.videos, rows["dialogue_id"].nunique()
    yield "other-scores", f"{part} utterances below 0", known.negative, int((scores < 0).sum())
    yield "other-scores", f"{part} utterances at 0", known.zero, int((scores == 0).sum())
    yield "other-scores", f"{part} utterances above 0", known.positive, int((scores > 0).sum())
    for score, expected in zip(_ROUNDED, known.rounded, strict=True):
        yield "other-scores", f"{part} utterances that round to {score}", expected, int((rounded == score).sum())


def _compare_raw(rows: pd.DataFrame) -> pd.DataFrame:
    found = "some" if rows["audio_path"].notna().any() else "none"
    return pd.concat([table_of([("no-audio", "recordings", "some", found)]), compare_with_mosei(rows)])


def _in_words(difference: str, first: str, _: pd.DataFrame) -> str:
    return {
        "no-audio": "there is no recording (no Raw/Audio/Full/WAV_16000)",
        "other-split": f"its parts have different sizes ({first})",
        "other-scores": f"its scores are distributed differently ({first})",
    }[difference]


def _match(compared: pd.DataFrame) -> str:
    counts = compared[compared["difference"] != "no-audio"]
    if not counts["expected"].equals(counts["found"]):
        return ""
    return f"the {sum(part.utterances for part in MOSEI_COUNTS.values()):,} scores match by count"


MOSEI = KnownRelease(
    name="CMU-MOSEI",
    compare=_compare_raw,
    in_words=_in_words,
    match=_match,
    advice={"no-audio": "models that read no audio"},
)
MOSEI_PICKLE = replace(MOSEI, compare=compare_with_mosei, advice={})
"""The processed pickles, which have no recordings."""
