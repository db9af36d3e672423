"""How long utterances last."""

import pandas as pd


def durations_s(rows: pd.DataFrame) -> pd.Series:
    """Seconds of each manifest row: of its recording, else of its span in the dialogue; NaN where neither is known."""
    recorded = rows["n_samples"].astype("float64") / rows["rate_hz"].astype("float64")
    spanned = rows["end_s"].astype("float64") - rows["start_s"].astype("float64")
    return recorded.fillna(spanned).rename("duration_s")
