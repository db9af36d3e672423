"""The groups of utterances that the suite compares."""

from collections.abc import Mapping

import pandas as pd

from merflow.evaluation.breakdowns import Masks, quarters_by_length, values_in


def groupings(rows: pd.DataFrame) -> Mapping[str, Masks]:
    """Return a mask per group, by kind of group: gender, speaker, session, and duration quartile.

    Args:
        rows: session, speaker, gender and duration_s of the utterances, indexed by utterance id.
    """
    return {
        "gender": values_in(rows, "gender"),
        "speaker": values_in(rows, "speaker"),
        "session": values_in(rows, "session"),
        "length": quarters_by_length(rows),
    }
