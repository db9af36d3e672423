from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.scores import Chance
from merflow.errors import EvaluationError
from merflow.evaluation.summary import TrainedVariant
from tests.evaluation.drawn_benchmark import CLASSES, PUBLISHED, corpus, results_of, table
from tests.evaluation.finished import TRAINING


@pytest.fixture(scope="module")
def utterances() -> pd.DataFrame:
    return corpus()


@pytest.fixture(scope="module")
def predictions(utterances: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table(utterances, "weak", skill=0.3), table(utterances, "strong", skill=0.9, draw=1)])


def test_figures_are_those_of_scikit_learn(predictions: pd.DataFrame, utterances: pd.DataFrame) -> None:
    results = results_of(predictions.sample(frac=1, random_state=0), utterances)
    variant = results.variants["context-mmt:strong"]
    rows = predictions[predictions["preset"] == "strong"]
    predicted = rows["probabilities"].map(lambda row: CLASSES[int(np.argmax(row))])

    assert variant.ua.pooled == pytest.approx(reference.balanced_accuracy_score(rows["label"], predicted))
    assert variant.wa.pooled == pytest.approx(reference.accuracy_score(rows["label"], predicted))
    assert variant.macro_f1 == pytest.approx(reference.f1_score(rows["label"], predicted, average="macro"))
    assert variant.weighted_f1 == pytest.approx(reference.f1_score(rows["label"], predicted, average="weighted"))
    assert np.array_equal(variant.confusion, reference.confusion_matrix(rows["label"], predicted))
    by_fold = [
        reference.balanced_accuracy_score(fold["label"], predicted[fold.index]) for _, fold in rows.groupby("fold")
    ]
    assert [fold.ua for fold in variant.folds] == pytest.approx(by_fold)
    assert [fold.fold for fold in variant.folds] == [1, 2, 3, 4, 5]
    assert variant.ua.mean == pytest.approx(np.mean(by_fold))
    assert variant.ua.std == pytest.approx(np.std(by_fold, ddof=1))
    assert variant.ua.ci95 is not None
    assert variant.ua.ci95[0] < variant.ua.pooled < variant.ua.ci95[1]
    assert variant.chance == Chance(ua=0.25, wa=max(rows["label"].value_counts()) / 200)


def test_the_test_data_and_the_published_figures_are_named(predictions: pd.DataFrame, utterances: pd.DataFrame) -> None:
    results = results_of(predictions, utterances)

    assert (results.corpus, results.manifest_hash, results.split_id) == ("synthetic", "0" * 16, "1" * 16)
    assert (results.utterances, results.dialogues, results.seeds) == (200, 20, (0,))
    assert sum(results.class_counts) == 200
    assert results.variants["context-mmt:strong"].published == PUBLISHED
    assert results.variants["context-mmt:weak"].published == ()
    assert results.variants["context-mmt:weak"].training == TRAINING


def test_the_same_input_gives_the_same_results(predictions: pd.DataFrame, utterances: pd.DataFrame) -> None:
    shuffled = results_of(predictions.sample(frac=1, random_state=4), utterances.sample(frac=1, random_state=5))

    assert shuffled == results_of(predictions, utterances)


def test_a_real_difference_is_found_and_none_is_not(utterances: pd.DataFrame, predictions: pd.DataFrame) -> None:
    twin = predictions[predictions["preset"] == "strong"].assign(preset="twin")
    results = results_of(pd.concat([predictions, twin]), utterances)
    pairs = {(row.a, row.b): row for row in results.comparisons}

    assert results.ranked == ("context-mmt:strong", "context-mmt:twin", "context-mmt:weak")
    found = pairs["context-mmt:strong", "context-mmt:weak"]
    assert found.delta_ua > 0.2
    assert found.ci95 is not None
    assert found.ci95[0] > 0
    assert found.p_bootstrap == pytest.approx(2 / 401)
    assert found.p_holm == pytest.approx(3 * 2 / 401)
    assert found.p_mcnemar < 1e-6
    equal = pairs["context-mmt:strong", "context-mmt:twin"]
    assert (equal.delta_ua, equal.p_bootstrap, equal.p_mcnemar, equal.p_holm) == (0.0, 1.0, 1.0, 1.0)


def test_seeds_are_pooled_and_listed(utterances: pd.DataFrame) -> None:
    runs = [table(utterances, "mmt", skill=0.5, seed=seed, draw=2) for seed in (3, 7)]
    variant = results_of(pd.concat(runs), utterances).variants["context-mmt:mmt"]
    single = [results_of(run, utterances).variants["context-mmt:mmt"] for run in runs]

    assert [(fold.fold, fold.seed) for fold in variant.folds][:3] == [(1, 3), (1, 7), (2, 3)]
    assert variant.wa.pooled == pytest.approx(np.mean([run.wa.pooled for run in single]))
    assert np.sum(variant.confusion) == 400
    assert variant.over_seeds.ua.mean == pytest.approx(np.mean([run.ua.pooled for run in single]))
    assert variant.over_seeds.ua.std == pytest.approx(np.std([run.ua.pooled for run in single], ddof=1))
    assert [each.seed for each in variant.over_seeds.each] == [3, 7]
    assert single[0].over_seeds.wa.std is None


def test_development_figures_are_of_their_fold_and_seed(utterances: pd.DataFrame) -> None:
    runs = pd.concat([table(utterances, "mmt", skill=0.5, seed=seed) for seed in (0, 1)])
    chosen = {
        (f, s): ChosenEpoch(epoch=10 * f + s, stage=1, dev_ua=0.5, dev_loss=float("inf"))
        for f in range(1, 6)
        for s in (0, 1)
        for f in range(1, 6)
        for s in (0, 1)
    }
    facts = {"context-mmt:mmt": TrainedVariant(TRAINING, chosen=chosen)}
    variant = results_of(runs, utterances, facts=facts).variants["context-mmt:mmt"]
    assert [fold.chosen_epoch for fold in variant.folds] == [10, 11, 20, 21, 30, 31, 40, 41, 50, 51]
    assert {(fold.dev_ua, fold.dev_loss) for fold in variant.folds} == {(0.5, None)}, "an infinite loss is not a figure"


def test_the_bias_of_choosing_on_test_data_is_next_to_the_honest_figures(
    utterances: pd.DataFrame, predictions: pd.DataFrame
) -> None:
    shadow = table(utterances, "weak", skill=0.6, draw=5)
    plain, results = results_of(predictions, utterances), results_of(predictions, utterances, none_paper=shadow)
    found = results.variants["context-mmt:weak"].none_paper
    alone = results_of(shadow, utterances).variants["context-mmt:weak"]

    assert found is not None
    assert found.promotable is False
    assert found.ua == alone.ua
    honest = plain.variants["context-mmt:weak"]
    assert found.bias.ua.pooled == pytest.approx(alone.ua.pooled - honest.ua.pooled)
    assert found.bias.ua.ci95 is not None
    assert found.bias.ua.ci95[0] < found.bias.ua.pooled < found.bias.ua.ci95[1]
    assert results.variants["context-mmt:strong"].none_paper is None
    for name, variant in plain.variants.items():
        assert results.variants[name].model_copy(update={"none_paper": None}) == variant
    assert results.comparisons == plain.comparisons


def test_a_missing_modality_has_its_own_figures(utterances: pd.DataFrame, predictions: pd.DataFrame) -> None:
    sets = {"audio": 0.2, "text": 0.7, "audio+video": 0.1}
    tables = {gone: table(utterances, "strong", skill=skill, draw=7) for gone, skill in sets.items()}
    lacking = pd.concat([each.assign(missing=gone) for gone, each in tables.items()])
    results = results_of(predictions, utterances, missing=lacking)
    variant = results.variants["context-mmt:strong"]

    assert list(variant.missing) == ["audio", "text", "audio+video"]
    alone = results_of(tables["text"], utterances).variants["context-mmt:strong"]
    assert variant.missing["text"].ua.pooled == alone.ua.pooled
    assert variant.missing["text"].delta_ua == pytest.approx(alone.ua.pooled - variant.ua.pooled)
    assert results.variants["context-mmt:weak"].missing == {}


def test_side_columns_of_other_tests_are_refused(utterances: pd.DataFrame, predictions: pd.DataFrame) -> None:
    with pytest.raises(EvaluationError, match=r"weak: side predictions and test predictions have different seeds"):
        results_of(predictions, utterances, none_paper=table(utterances, "weak", skill=0.6, seed=1))
    with pytest.raises(EvaluationError, match="context-mmt:other has side predictions but no test predictions"):
        results_of(predictions, utterances, none_paper=table(utterances, "other", skill=0.6))


def test_one_fold_of_one_dialogue_has_neither_spread_nor_interval(utterances: pd.DataFrame) -> None:
    rows = table(utterances, "mmt", skill=0.5).iloc[:10].assign(fold=np.int32(1), protocol="session5-only")
    variant = results_of(rows, utterances, protocol="session5-only").variants["context-mmt:mmt"]

    assert variant.ua.std is None
    assert variant.ua.ci95 is None


def _first(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Return the frame with other values in the first row."""
    changed = frame.copy().reset_index(drop=True)
    for column, value in values.items():
        changed[column] = [value, *changed[column].tolist()[1:]]
    return changed.astype({"fold": "int32", "seed": "int32"})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f[f["fold"] != 3], r"missing folds \[3\]"),
        (lambda f: f.iloc[1:], r"only the second has u000 \(seed 0\)"),
        (lambda f: pd.concat([f, f.iloc[:1]]), r"utterance u000 is predicted 2 times, in folds \[1, 1\]"),
        (lambda f: _first(f, label="bored"), r"fold 1 seed 0 utterance u000: label 'bored' is not one of the classes"),
        (
            lambda f: _first(f, label="sad" if f["label"].iloc[0] != "sad" else "angry"),
            "disagree on the labels of u000",
        ),
        (lambda f: _first(f, fold=2), "disagree on the folds of u000"),
        (lambda f: _first(f, probabilities=[0.5, 0.5]), "2 probabilities for 4 classes"),
        (lambda f: _first(f, probabilities=[0.5, 0.5, 0.5, 0.5]), "are not a distribution"),
        (lambda f: _first(f, probabilities=[float("nan"), 0.5, 0.25, 0.25]), "are not a distribution"),
        (lambda f: _first(f, probabilities=[-0.5, 1.0, 0.25, 0.25]), "are not a distribution"),
        (lambda f: _first(f, protocol="speaker-10fold"), r"predictions of protocol \['speaker-10fold'\] among those"),
        (lambda f: _first(f, utterance_id="u999"), "utterances that the manifest lacks: u999"),
        (lambda f: f.assign(seed=np.int32(1)), r"only the first has u000 \(seed 1\)"),
    ],
)
def test_a_spoilt_table_is_refused(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], message: str, predictions: pd.DataFrame, utterances: pd.DataFrame
) -> None:
    weak, strong = (predictions[predictions["preset"] == name] for name in ("weak", "strong"))
    with pytest.raises(EvaluationError, match=message):
        results_of(pd.concat([spoil(weak), strong]), utterances)


def test_a_fold_that_no_variant_has_is_missed_where_the_splits_are_known(
    predictions: pd.DataFrame, utterances: pd.DataFrame
) -> None:
    with pytest.raises(EvaluationError, match=r"missing folds \[6\]"):
        results_of(predictions, utterances, folds=tuple(range(1, 7)))


def test_empty_predictions_and_a_variant_without_facts_are_refused(
    predictions: pd.DataFrame, utterances: pd.DataFrame
) -> None:
    with pytest.raises(EvaluationError, match="there are no predictions"):
        results_of(predictions.iloc[:0], utterances, facts={})
    with pytest.raises(EvaluationError, match="no facts about the training of context-mmt:strong, context-mmt:weak"):
        results_of(predictions, utterances, facts={})
