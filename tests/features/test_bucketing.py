import numpy as np
import pytest

from merflow.features.bucketing import bucketed_batches, sequential_batches

LENGTHS = np.random.default_rng(0).integers(20, 250, size=203)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 203, 500])
def test_every_index_comes_exactly_once(batch_size: int) -> None:
    for batches in (
        bucketed_batches(LENGTHS, batch_size=batch_size, seed=0, epoch=1),
        sequential_batches(LENGTHS, batch_size=batch_size),
    ):
        assert sorted(index for batch in batches for index in batch) == list(range(203))
        sizes = sorted(len(batch) for batch in batches)
        assert sizes[1:] == [batch_size] * (len(batches) - 1)
        assert sizes[0] == (203 % batch_size or batch_size)


def test_batches_are_of_similar_length() -> None:
    def padding(batches: list[list[int]]) -> float:
        padded = sum(len(batch) * LENGTHS[batch].max() for batch in batches)
        return float(1 - LENGTHS.sum() / padded)

    shuffled = np.random.default_rng(1).permutation(203)
    unsorted = [shuffled[start : start + 16].tolist() for start in range(0, 203, 16)]
    assert padding(sequential_batches(LENGTHS, batch_size=16)) < 0.08
    assert padding(bucketed_batches(LENGTHS, batch_size=16, seed=0, epoch=0)) < 0.15
    assert padding(unsorted) > 0.35


def test_an_epoch_is_a_function_of_its_arguments_alone() -> None:
    first = bucketed_batches(LENGTHS, batch_size=16, seed=3, epoch=5)
    np.random.default_rng().random()
    assert bucketed_batches(LENGTHS, batch_size=16, seed=3, epoch=5) == first
    assert bucketed_batches(LENGTHS, batch_size=16, seed=3, epoch=6) != first
    assert bucketed_batches(LENGTHS, batch_size=16, seed=4, epoch=5) != first


def test_epochs_differ_in_their_batches_and_in_their_order() -> None:
    epochs = [bucketed_batches(LENGTHS, batch_size=16, seed=0, epoch=epoch) for epoch in range(3)]
    assert len({frozenset(map(frozenset, batches)) for batches in epochs}) == 3
    means = [LENGTHS[batch].mean() for batch in epochs[0]]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


def test_equal_lengths_are_shuffled() -> None:
    for length in (0, 1):
        first, second = (bucketed_batches(np.full(64, length), batch_size=8, seed=0, epoch=epoch) for epoch in range(2))
        assert set(map(frozenset, first)) != set(map(frozenset, second))


def test_no_utterance_is_no_batch() -> None:
    assert bucketed_batches(np.zeros(0, dtype=np.int64), batch_size=8, seed=0, epoch=0) == []
    assert sequential_batches(np.zeros(0, dtype=np.int64), batch_size=8) == []
