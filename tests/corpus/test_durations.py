import numpy as np
import pandas as pd

from merflow.corpus.durations import durations_s


def test_a_recordings_length_comes_before_the_span_of_its_turn() -> None:
    rows = pd.DataFrame(
        {
            "n_samples": pd.array([24_000, None, None], dtype="Int64"),
            "rate_hz": pd.array([16_000, None, None], dtype="Int64"),
            "start_s": [1.0, 2.0, None],
            "end_s": [9.0, 4.25, None],
        }
    )
    np.testing.assert_array_equal(durations_s(rows), [1.5, 2.25, np.nan])
