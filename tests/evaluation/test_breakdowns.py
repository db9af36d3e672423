from typing import get_args

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from merflow.contracts.scores import Breakdown, Group
from merflow.evaluation.breakdowns import breakdowns
from merflow.evaluation.predictions import VariantPredictions

CLASSES = ("angry", "happy", "sad")
KINDS: tuple[Breakdown, ...] = get_args(Breakdown)


def corpus(n: int = 240) -> pd.DataFrame:
    place = np.arange(n)
    return pd.DataFrame(
        {
            "utterance_id": [f"u{i:03d}" for i in place],
            "dialogue_id": [f"d{i // 10:02d}" for i in place],
            "scripted": place // 10 % 2 == 0,
            "session": [f"Session{i // 10 % 4 + 1}" for i in place],
            "speaker": [f"s{i // 10 % 8}" for i in place],
            "duration_s": 1.0 + place % 24 / 4,
        }
    )


def predictions(utterances: pd.DataFrame, name: str, *, draw: int, seeds: tuple[int, ...] = (0,)) -> VariantPredictions:
    n, times = len(utterances), len(seeds)
    labels = np.tile(np.random.default_rng(0).integers(3, size=n), times)
    return VariantPredictions(
        variant=name,
        utterance_ids=np.tile(utterances["utterance_id"].to_numpy(dtype=object), times),
        folds=np.ones(n * times, dtype=np.int64),
        seeds=np.repeat(seeds, n),
        dialogues=np.tile(pd.factorize(utterances["dialogue_id"])[0], times),
        labels=labels,
        probabilities=np.random.default_rng(draw).dirichlet(np.ones(3), size=n * times) + np.eye(3)[labels] * 0.5,
    )


def found(utterances: pd.DataFrame, *variants: VariantPredictions) -> dict[str, dict[Breakdown, tuple[Group, ...]]]:
    named = {variant.variant: variant for variant in variants}
    return breakdowns(named, utterances, classes=CLASSES, samples=300, seed=0)


@pytest.mark.parametrize("seeds", [(0,), (0, 3)])
def test_figures_of_every_group_are_those_of_scikit_learn(seeds: tuple[int, ...]) -> None:
    utterances = corpus()
    variants = [predictions(utterances, name, draw=draw, seeds=seeds) for draw, name in enumerate("ab")]
    by_variant = found(utterances, *variants)
    facts = pd.concat([utterances] * len(seeds))

    for variant in variants:
        kinds = by_variant[variant.variant]
        assert tuple(kinds) == KINDS
        columns: tuple[Breakdown, ...] = ("session", "speaker")
        for column in columns:
            assert [entry.group for entry in kinds[column]] == sorted(set(utterances[column]))
            for entry in kinds[column]:
                rows = (facts[column] == entry.group).to_numpy()
                labels, predicted = variant.labels[rows], variant.predicted[rows]
                assert entry.ua == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
                assert entry.wa == pytest.approx(reference.accuracy_score(labels, predicted))
                assert entry.utterances == rows.sum() / len(seeds)
                assert entry.classes == 3
        for entry in kinds["session"]:
            assert entry.ci95 is not None
            assert entry.ua is not None
            assert entry.ci95[0] < entry.ua < entry.ci95[1]
        assert [entry.ci95 for entry in kinds["speaker"]] == [None] * 8, "three dialogues each are too few"
        scripted = facts["scripted"].to_numpy()
        assert [entry.group for entry in kinds["setting"]] == ["scripted", "improvised"]
        assert kinds["setting"][1].wa == pytest.approx((variant.labels == variant.predicted)[~scripted].mean())


def test_of_an_emotion_ua_is_its_recall_and_there_is_no_wa() -> None:
    utterances = corpus()
    variant = predictions(utterances, "a", draw=1)
    rows = found(utterances, variant)["a"]["emotion"]
    recalls = reference.recall_score(variant.labels, variant.predicted, average=None)

    assert [row.group for row in rows] == list(CLASSES)
    assert [row.ua for row in rows] == pytest.approx(recalls.tolist())
    assert {(row.wa, row.classes) for row in rows} == {(None, 1)}
    assert [row.utterances for row in rows] == np.bincount(variant.labels).tolist()


def test_lengths_are_quarters_with_names_that_tell_their_seconds() -> None:
    utterances = corpus()
    variant = predictions(utterances, "a", draw=1)
    rows = found(utterances, variant)["a"]["length"]

    assert [row.group for row in rows] == ["under 2.4 s", "2.4 to 3.9 s", "3.9 to 5.3 s", "5.3 s and more"]
    assert [row.utterances for row in rows] == [60, 60, 60, 60]
    inside = ((utterances["duration_s"] >= 2.4) & (utterances["duration_s"] < 3.9)).to_numpy()
    assert rows[1].wa == pytest.approx((variant.labels == variant.predicted)[inside].mean())


def test_utterances_of_one_length_are_one_group() -> None:
    utterances = corpus().assign(duration_s=2.0)
    rows = found(utterances, predictions(utterances, "a", draw=1))["a"]["length"]

    assert [(row.group, row.utterances) for row in rows] == [("2.0 s and more", 240)]


def test_what_a_corpus_does_not_know_is_left_out() -> None:
    bare = corpus()[["utterance_id", "dialogue_id"]]
    kinds = found(bare, predictions(bare, "a", draw=1))["a"]
    assert {kind: len(rows) for kind, rows in kinds.items()} == dict.fromkeys(KINDS, 0) | {"emotion": 3}

    utterances = corpus().astype({"scripted": object, "speaker": object})
    utterances["scripted"], utterances["duration_s"] = None, np.nan
    utterances.loc[utterances["speaker"] == "s1", "speaker"] = None
    kinds = found(utterances, predictions(utterances, "a", draw=1))["a"]
    assert (kinds["setting"], kinds["length"]) == ((), ())
    assert [row.group for row in kinds["speaker"]] == ["s0", "s2", "s3", "s4", "s5", "s6", "s7"]


def test_a_group_says_over_how_many_classes_its_ua_is_and_has_no_interval_from_one_dialogue() -> None:
    utterances = corpus(20)
    variant = predictions(utterances, "a", draw=1)
    labels = np.array([0] * 10 + [0, 1] * 5)
    variant = VariantPredictions(**{**vars(variant), "labels": labels, "probabilities": np.eye(3)[labels]})
    kinds = found(utterances, variant)["a"]

    first, second = kinds["session"]
    assert (first.classes, first.ua, first.ci95) == (1, 1.0, None)
    assert (second.classes, second.ci95) == (2, None)
    assert kinds["emotion"][2] == Group(group="sad", utterances=0, classes=0, ua=None, wa=None, ci95=None)


def test_an_interval_is_of_the_groups_own_classes() -> None:
    """Only one of twelve dialogues has the class, so a third of the resamples lack it and have a different mean."""
    utterances = corpus(120)
    labels = np.zeros(120, dtype=np.int64)
    labels[:10] = 1
    variant = predictions(utterances, "a", draw=1)
    probabilities = np.eye(3)[np.zeros(120, dtype=np.int64)]  # all right in the one class, all wrong in the other
    variant = VariantPredictions(**{**vars(variant), "labels": labels, "probabilities": probabilities})
    (row,) = found(utterances.assign(session="S"), variant)["a"]["session"]

    assert (row.ua, row.classes) == (0.5, 2)
    assert row.ci95 == (0.5, 0.5), "resamples without the wrong class would say 1.0"


def test_no_interval_where_most_resamples_lack_a_class() -> None:
    utterances = corpus(60)
    labels = np.repeat([0, 1, 2, 2, 2, 2], 10)  # two classes in a dialogue of their own: a third have both
    variant = predictions(utterances, "a", draw=1)
    variant = VariantPredictions(**{**vars(variant), "labels": labels})
    (row,) = found(utterances.assign(session="S"), variant)["a"]["session"]

    assert (row.classes, row.ci95) == (3, None)
