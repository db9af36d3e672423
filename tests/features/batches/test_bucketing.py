import numpy as np
import pytest

from merflow.features.batches.bucketing import bucketed_batches, sequential_batches
from merflow.features.extraction.encoder_batches import budgeted_batches

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


def test_no_utterances_make_no_batch() -> None:
    assert bucketed_batches(np.zeros(0, dtype=np.int64), batch_size=8, seed=0, epoch=0) == []
    assert sequential_batches(np.zeros(0, dtype=np.int64), batch_size=8) == []


# Quantiles of the durations of IEMOCAP's utterances, in seconds.
QUANTILES = [0.0, 0.05, 0.5, 0.95, 0.99, 1.0]
DURATIONS_S = [0.585, 1.386, 3.576, 11.059, 15.544, 34.139]


def _steps(utterances: int, *, clip_s: float | None = None) -> np.ndarray:
    """Return steps of 20 ms for utterances with the durations of IEMOCAP's."""
    random = np.random.default_rng(0)
    durations_s = np.exp(np.interp(random.uniform(size=utterances), QUANTILES, np.log(DURATIONS_S)))
    clipped = durations_s if clip_s is None else np.minimum(durations_s, clip_s)
    return (clipped * 16_000).astype(int) // 320


def _padding(shards: list[list[int]], *, budget: int) -> float:
    """Share of all steps that is padding, batches being cut within shards."""
    padded = real = 0
    for costs in shards:
        for batch in budgeted_batches(costs, budget=budget):
            padded += max(costs[place] for place in batch) * len(batch)
            real += sum(costs[place] for place in batch)
    return 1 - real / padded


@pytest.mark.parametrize(("utterances", "most"), [(10_039, 0.01), (1_000, 0.04), (300, 0.05)])
@pytest.mark.parametrize("clip_s", [None, 6.0])
@pytest.mark.parametrize("budget", [8_000, 250])
def test_little_of_a_corpus_batches_is_padding(utterances: int, budget: int, clip_s: float | None, most: float) -> None:
    steps = sorted(_steps(utterances, clip_s=clip_s).tolist(), reverse=True)
    shards = [steps[start : start + 128] for start in range(0, utterances, 128)]
    assert _padding(shards, budget=budget) < most
    unsorted = _steps(utterances, clip_s=clip_s).tolist()
    in_order = [unsorted[start : start + 32] for start in range(0, utterances, 32)]
    assert 1 - sum(map(sum, in_order)) / sum(max(batch) * len(batch) for batch in in_order) > 0.3


def test_a_budget_is_kept_and_every_input_comes_once() -> None:
    costs = _steps(500).tolist()
    batches = budgeted_batches(costs, budget=1_000)
    assert sorted(place for batch in batches for place in batch) == list(range(500))
    for batch in batches:
        padded = max(costs[place] for place in batch) * len(batch)
        assert padded <= 1_000 or len(batch) == 1
        assert sum(costs[place] for place in batch) >= 0.95 * padded
    assert max(len(batch) for batch in batches) > 5
    assert [costs[batch[0]] for batch in batches] == sorted((costs[batch[0]] for batch in batches), reverse=True)


def test_without_a_budget_every_input_is_alone() -> None:
    assert budgeted_batches([3, 9, 5], budget=1) == [[1], [2], [0]]
    assert budgeted_batches([], budget=10) == []
