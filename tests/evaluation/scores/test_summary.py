from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from merflow.contracts.results import read_results
from merflow.contracts.score_figures import FIGURE_NAMES
from merflow.contracts.score_results import ScoreResults, of_emotions, read_any_results
from merflow.errors import EvaluationError
from tests.evaluation.scores.rated import (
    FOLDS,
    PUBLISHED,
    predictions,
    results_of,
    results_of_three,
    training_labels,
    truth,
    utterances,
)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return utterances()


@pytest.fixture(scope="module")
def results() -> ScoreResults:
    return results_of_three()


def test_figures_are_those_of_scikit_learn(rows: pd.DataFrame) -> None:
    table = predictions(rows, "full", error=0.5)
    found = results_of(table.sample(frac=1, random_state=0), rows).variants["mfdr:full"]

    assert found.mae == pytest.approx(reference.mean_absolute_error(table["label"], table["score"]))
    by_fold = [reference.mean_absolute_error(fold["label"], fold["score"]) for _, fold in table.groupby("fold")]
    assert [fold.values["MAE"] for fold in found.folds] == pytest.approx(by_fold)
    mae = found.figures["MAE"]
    assert mae.mean == pytest.approx(np.mean(by_fold))
    assert mae.std == pytest.approx(np.std(by_fold, ddof=1))
    assert mae.ci95 is not None
    assert mae.ci95[0] < found.mae < mae.ci95[1]
    assert set(found.figures) == set(FIGURE_NAMES)
    assert found.published == PUBLISHED
    assert [(fold.chosen_epoch, fold.dev_mae) for fold in found.folds] == [(fold, 0.6) for fold in range(1, 6)]


def test_the_lowest_error_is_the_best(results: ScoreResults) -> None:
    assert results.ranked == ("mfdr:full", "mfdr:no-context", "mfdr:gru")
    assert results.best == "mfdr:full"
    assert [variant.mae for variant in (results.variants[name] for name in results.ranked)] == sorted(
        variant.mae for variant in results.variants.values()
    )


def test_a_real_difference_is_found_and_none_is_not(rows: pd.DataFrame) -> None:
    strong = predictions(rows, "strong", error=0.4)
    weak, twin = predictions(rows, "weak", error=1.2), strong.assign(preset="twin")
    found = results_of(pd.concat([weak, strong, twin]), rows)
    pairs = {(pair.a, pair.b): pair for pair in found.comparisons}

    clear = pairs["mfdr:strong", "mfdr:weak"]
    assert clear.mae.delta == pytest.approx(found.variants["mfdr:strong"].mae - found.variants["mfdr:weak"].mae)
    assert clear.mae.ci95 is not None
    assert clear.mae.ci95[1] < 0
    assert clear.mae.p_bootstrap == pytest.approx(2 / 401)
    assert clear.mae.p_holm == pytest.approx(3 * 2 / 401)
    assert clear.significant
    assert clear.ccc is not None
    assert clear.ccc.delta > 0
    same = pairs["mfdr:strong", "mfdr:twin"]
    assert (same.mae.delta, same.mae.p_holm) == (0, 1)
    assert not same.significant
    assert found.power.standard_error is not None
    assert found.power.detectable_mae == pytest.approx(2.8 * found.power.standard_error, rel=0.01)


def test_floors_know_the_training_labels_alone(rows: pd.DataFrame, results: ScoreResults) -> None:
    labels, fold = truth(rows), rows["session"].str[-1].astype(int)
    train = training_labels(rows)
    medians = fold.map({number: float(np.median(own)) for number, own in train.items()})
    floors = results.floors

    assert floors["median"].values["MAE"] == pytest.approx(np.abs(labels - medians).mean())
    assert floors["median"].mae_ci95 is not None
    assert results.chance("MAE") == floors["median"].values["MAE"]
    means = fold.map({number: float(np.mean(own)) for number, own in train.items()})
    assert floors["mean"].values["MAE"] == pytest.approx(np.abs(labels - means).mean())
    zero = pd.Series(np.rint(labels)).value_counts(normalize=True)
    assert results.chance("ACC7") == pytest.approx(zero[0.0])
    assert results.chance("ACC2 has0") == pytest.approx((labels >= 0).mean())
    assert results.chance("ACC2 non0") == pytest.approx((labels[labels != 0] > 0).mean())
    positive = fold.map({number: np.mean(own > 0) > 0.5 for number, own in train.items()})
    assert results.chance("ACC2 zero as negative") == pytest.approx(((labels > 0) == positive).mean())
    assert results.chance("CCC") is None


def test_groups_cover_the_utterances(rows: pd.DataFrame, results: ScoreResults) -> None:
    variant = results.variants["mfdr:full"]
    assert set(variant.breakdowns) == {"setting", "session", "speaker", "gender", "length", "truth"}
    for kind, groups in variant.breakdowns.items():
        assert sum(group.utterances for group in groups) == len(rows), kind
        weighted = sum((group.mae or 0) * group.utterances for group in groups) / len(rows)
        assert weighted == pytest.approx(variant.mae), kind
    steps = {group.group: group for group in variant.breakdowns["truth"]}
    assert {each.step: each.utterances for each in results.truth.steps} == {
        name: group.utterances for name, group in steps.items()
    }
    assert all(group.ccc is None for group in steps.values())
    assert (steps["+2"].mean_error or 0) < 0 < (steps["\N{MINUS SIGN}2"].mean_error or 0), "predictions shrink"


def test_distributions_count_every_test(rows: pd.DataFrame, results: ScoreResults) -> None:
    for variant in results.variants.values():
        assert sum(cell.tests for cell in variant.cells) == len(rows)
        assert sum(bin_.tests for bin_ in variant.residuals) == len(rows)
        assert sum(bin_.tests for bin_ in variant.errors) == len(rows)
        assert [bin_.step for bin_ in variant.residuals] == sorted(bin_.step for bin_ in variant.residuals)
    assert (results.truth.below_zero, results.truth.zero, results.truth.above_zero) == tuple(
        int(count) for count in ((truth(rows) < 0).sum(), (truth(rows) == 0).sum(), (truth(rows) > 0).sum())
    )


def test_side_tables_have_figures_of_their_own(results: ScoreResults) -> None:
    variant = results.variants["mfdr:full"]
    selected = variant.none_paper
    assert selected is not None
    assert selected.bias_mae.pooled == pytest.approx(-0.1 * variant.mae)
    assert selected.bias_mae.ci95 is not None
    assert selected.bias_mae.ci95[1] < 0
    assert list(variant.missing) == ["audio", "text"]
    assert variant.missing["text"].delta_mae == pytest.approx(
        (variant.missing["text"].figures["MAE"].pooled or 0) - variant.mae
    )
    assert variant.missing["text"].figures["Pearson"].pooled is None, "constant predictions correlate with nothing"
    assert results.variants["mfdr:gru"].none_paper is None


def test_seeds_are_distinguished(rows: pd.DataFrame) -> None:
    found = results_of_three(seeds=(0, 1))
    variant = found.variants["mfdr:full"]

    assert found.seeds == (0, 1)
    assert found.utterances == len(rows)
    assert len(variant.folds) == 2 * FOLDS
    assert variant.over_seeds.mae.mean == pytest.approx(np.mean([each.mae for each in variant.over_seeds.each]))
    over = found.comparisons[0].over_seeds
    assert over is not None
    assert over.mean == pytest.approx(found.comparisons[0].mae.delta)
    assert sum(each.utterances for each in found.truth.steps) == len(rows)


def test_a_scale_without_zero_has_no_shares() -> None:
    found = results_of_three("valence")

    assert found.figure_names == ("MAE", "CCC", "Pearson")
    assert set(found.floors) == {"median", "mean"}
    assert (found.low, found.high, found.task) == (1, 5, "valence")


def test_constant_predictions_have_no_correlation_and_no_comparison_of_it(rows: pd.DataFrame) -> None:
    constant = predictions(rows, "constant", error=0.5).assign(score=0.0)
    found = results_of(pd.concat([predictions(rows, "full", error=0.5), constant]), rows)

    figures = found.variants["mfdr:constant"].figures
    assert (figures["Pearson"].pooled, figures["Pearson"].ci95, figures["CCC"].pooled) == (None, None, 0)


def test_results_are_read_as_those_of_their_task(results: ScoreResults, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.write(path)

    read = read_any_results(path)
    assert read == results
    assert isinstance(read, ScoreResults)
    assert read.figure_names == FIGURE_NAMES, "in their own order, whatever the file's"
    with pytest.raises(EvaluationError, match="'sentiment', whose labels are scores, and emotions are needed"):
        read_results(path)
    with pytest.raises(EvaluationError, match="'sentiment', whose labels are scores, and emotions are needed"):
        of_emotions(results)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("label", 4.0, "outside the scale of sentiment"), ("score", np.inf, "the score is inf")],
)
def test_rows_that_cannot_be_are_refused(rows: pd.DataFrame, column: str, value: float, said: str) -> None:
    table = predictions(rows, "full", error=0.5)
    table.loc[3, column] = value
    with pytest.raises(EvaluationError, match=f"mfdr:full fold 1 seed 0 utterance u0003: .*{said}"):
        results_of(table, rows)


def test_variants_of_different_tests_are_refused(rows: pd.DataFrame) -> None:
    full, other = predictions(rows, "full", error=0.5), predictions(rows, "gru", error=0.5)
    with pytest.raises(EvaluationError, match="not tested on the same utterances"):
        results_of(pd.concat([full, other.iloc[1:]]), rows)
