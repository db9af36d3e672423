"""Durations of utterances."""

import pandas as pd


def durations_s(rows: pd.DataFrame) -> pd.Series:
    """Return the seconds of each manifest row: of its recording, or else of its turn; NaN if neither is known."""
    recorded = rows["n_samples"].astype("float64") / rows["rate_hz"].astype("float64")
    spanned = rows["end_s"].astype("float64") - rows["start_s"].astype("float64")
    return recorded.fillna(spanned).rename("duration_s")
