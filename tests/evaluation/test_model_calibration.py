"""The calibration of simulated folds: its coverage on held-out rows, and whose data each part of it comes from."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from merflow.contracts.calibration_record import ANY_GROUP, Calibration
from merflow.errors import EvaluationError
from merflow.evaluation.model_calibration import calibrate

CLASSES = ("angry", "happy", "neutral", "sad")


def fold_rows(fold: int, part: str, count: int, *, seed: int = 0, sharpness: float = 2.5) -> pd.DataFrame:
    """Return predictions of a model that is too sure; the odd utterances are harder."""
    random = np.random.default_rng([fold, seed, len(part)])
    scale = np.where(np.arange(count) % 2 == 0, 2.0, 0.7)[:, None]
    logits = scale * random.normal(size=(count, 4))
    labels = (random.random((count, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return pd.DataFrame(
        {
            "fold": fold,
            "seed": seed,
            "utterance_id": [f"{part}{fold}-{row}" for row in range(count)],
            "label": [CLASSES[label] for label in labels],
            "probabilities": list(softmax(sharpness * logits, axis=1).astype(np.float32)),
        }
    )


def calibrated(development: pd.DataFrame, test: pd.DataFrame, **changes: object) -> Calibration:
    names = [*development["utterance_id"], *test["utterance_id"]]
    groups = {name: "F" if int(name.partition("-")[2]) % 2 == 0 else "M" for name in names}
    settings: dict[str, object] = {"groups": groups, "grouped_by": "gender", "coverage": 0.9}
    return calibrate(development, test, classes=CLASSES, bins=15, **{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return development and test predictions of five folds."""
    folds = range(1, 6)
    return (
        pd.concat([fold_rows(fold, "dev", 300) for fold in folds], ignore_index=True),
        pd.concat([fold_rows(fold, "test", 400) for fold in folds], ignore_index=True),
    )


def test_held_out_coverage_is_the_level_in_every_group(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    held_out = calibrated(*tables).held_out
    assert held_out.utterances == 2000
    assert held_out.groups.keys() == {"F", "M", ANY_GROUP}
    for found in held_out.groups.values():
        low, high = found.ci95
        assert low <= 0.92
        assert high >= 0.89
        assert 1 < found.mean_size < 4
    assert held_out.groups["F"].mean_size < held_out.groups["M"].mean_size, "M is the harder group"
    assert held_out.groups["F"].answered > held_out.groups["M"].answered


def test_scaling_improves_held_out_figures(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    calibration = calibrated(*tables)
    assert 1.5 < calibration.temperature < 3.5
    assert calibration.held_out.nll_after < calibration.held_out.nll_before - 0.1
    assert calibration.held_out.ece_after < calibration.held_out.ece_before


def test_no_test_row_takes_part_in_temperature_and_thresholds(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    development, test = tables
    other = test.assign(label="angry")
    ours, theirs = calibrated(development, test), calibrated(development, other)
    assert (ours.temperature, ours.thresholds) == (theirs.temperature, theirs.thresholds)
    assert ours.held_out != theirs.held_out


def test_a_fold_is_measured_with_its_own_development_rows(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    development, test = tables
    changed = development.copy()
    changed.loc[changed["fold"] == 5, "label"] = "angry"
    first = test[test["fold"] == 1]
    assert calibrated(development, first).held_out == calibrated(changed, first).held_out


def test_a_group_without_development_rows_gets_the_threshold_of_any() -> None:
    development, test = fold_rows(1, "dev", 100), fold_rows(1, "test", 100)
    only_women = development[::2]
    calibration = calibrated(only_women, test)
    assert calibration.thresholds.keys() == {"F", ANY_GROUP}
    assert calibration.held_out.groups.keys() == {"F", "M", ANY_GROUP}


def test_a_corpus_without_gender_has_one_threshold() -> None:
    calibration = calibrated(fold_rows(1, "dev", 100), fold_rows(1, "test", 100), groups={}, grouped_by="")
    assert calibration.thresholds.keys() == calibration.utterances.keys() == {ANY_GROUP}
    assert calibration.held_out.groups.keys() == {ANY_GROUP}


def test_a_fold_without_development_rows_is_refused() -> None:
    with pytest.raises(EvaluationError, match="fold 2 seed 0 has no development predictions"):
        calibrated(fold_rows(1, "dev", 50), fold_rows(2, "test", 50))
