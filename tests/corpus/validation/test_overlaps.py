import pandas as pd
import pytest

from merflow.corpus.validation.overlaps import covered_shares


def rows(spans: list[tuple[float, float]], *, dialogue: str = "a", cut: bool | None = True) -> pd.DataFrame:
    starts, ends = zip(*spans, strict=True)
    return pd.DataFrame({"dialogue_id": dialogue, "start_s": starts, "end_s": ends, "audio_of_dialogue": cut})


def test_a_share_is_the_largest_that_one_other_utterance_covers() -> None:
    shares = covered_shares(rows([(0, 10), (9, 12), (2, 4), (12, 13)]))
    assert shares.tolist() == pytest.approx([0.2, 1 / 3, 1.0, 0.0])


def test_dialogues_own_recordings_and_unknown_times_do_not_overlap() -> None:
    table = pd.concat(
        [rows([(0, 1)]), rows([(0, 1)], dialogue="b"), rows([(0, 1)], cut=None), rows([(float("nan"), float("nan"))])],
        ignore_index=True,
    )
    assert covered_shares(table).fillna(-1).tolist() == [0, 0, -1, -1]
