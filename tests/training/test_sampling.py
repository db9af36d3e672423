"""Utterances of an epoch."""

from pathlib import Path

import numpy as np
import pytest

from merflow.training.sampling import class_balanced, epoch_batches
from tests.training.separable import fold, fresh_model, recipe, separable

LABELS = np.repeat([0, 1, 3], [900, 90, 10])


def test_every_class_that_occurs_is_equally_likely() -> None:
    drawn = class_balanced(LABELS, seed=0, epoch=1)
    assert len(drawn) == len(LABELS)
    shares = np.bincount(LABELS[drawn], minlength=4) / len(LABELS)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.05)
    assert set(drawn[LABELS[drawn] == 3]) == set(range(990, 1000)), "each of the few is drawn"


def test_the_utterances_of_an_epoch_depend_on_its_number_and_the_seed() -> None:
    first, again = (class_balanced(LABELS, seed=3, epoch=2) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, class_balanced(LABELS, seed=3, epoch=3))
    assert not np.array_equal(first, class_balanced(LABELS, seed=4, epoch=2))


def test_batches_hold_the_drawn_utterances_grouped_by_length() -> None:
    source = separable(200, seed=1)
    assert source.labels is not None
    batches = epoch_batches(source, recipe=recipe(sampling="class-balanced"), seed=3, epoch=2)
    places = np.concatenate(batches)
    np.testing.assert_array_equal(np.sort(places), np.sort(class_balanced(source.labels, seed=3, epoch=2)))
    spans = [np.ptp(source.lengths[batch]) for batch in batches]
    assert np.mean(spans) < np.ptp(source.lengths) / 3
    assert sorted(np.concatenate(epoch_batches(source, recipe=recipe(), seed=3, epoch=2))) == list(range(200))


@pytest.mark.parametrize("sampling", ["shuffle", "class-balanced"])
def test_random_batches_ignore_the_length(sampling: str) -> None:
    source = separable(200, seed=1)
    assert source.labels is not None
    chosen = recipe(sampling=sampling, batching="random")
    batches = epoch_batches(source, recipe=chosen, seed=3, epoch=2)
    drawn = class_balanced(source.labels, seed=3, epoch=2) if sampling == "class-balanced" else np.arange(200)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.sort(drawn))
    spans = [np.ptp(source.lengths[batch]) for batch in batches]
    assert np.mean(spans) > 0.8 * np.ptp(source.lengths)
    assert epoch_batches(source, recipe=chosen, seed=3, epoch=2) == batches
    assert epoch_batches(source, recipe=chosen, seed=3, epoch=3) != batches


def test_a_balanced_fold_learns_the_rare_class(tmp_path: Path) -> None:
    trained = fold(fresh_model(), tmp_path, sampling="class-balanced", max_epochs=6)
    assert trained.history.best.dev_ua > 0.8
