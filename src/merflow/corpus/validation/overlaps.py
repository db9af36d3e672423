"""Overlaps of utterances that are cut out of one recording."""

import numpy as np
import pandas as pd


def covered_shares(rows: pd.DataFrame) -> pd.Series:
    """Return the largest share of each utterance, from 0 to 1, that one other utterance of its dialogue covers.

    It is NaN for utterances with their own recording, and for those without times.

    Args:
        rows: Rows of the manifest.
    """
    shares = pd.Series(np.nan, index=rows.index)
    length_s = rows["end_s"] - rows["start_s"]
    cut = rows[rows["audio_of_dialogue"].eq(True) & (length_s > 0)]
    for _, turns in cut.groupby("dialogue_id"):
        start_s, end_s = turns["start_s"].to_numpy(), turns["end_s"].to_numpy()
        shared_s = np.minimum.outer(end_s, end_s) - np.maximum.outer(start_s, start_s)  # (turns, turns)
        np.fill_diagonal(shared_s, 0)
        shares[turns.index] = shared_s.clip(min=0).max(axis=1) / (end_s - start_s)
    return shares
