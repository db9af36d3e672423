"""Batches of utterances of similar length, so that little of a batch is padding."""

from collections.abc import Sequence

import numpy as np

# Lengths are blurred by up to this factor before sorting, so that an epoch's batches differ from the last epoch's.
_BLUR = 0.15

# Of an encoder's batch at most this share is padding; a batch ends before the input that would bring it above.
_MOST_PADDING = 0.05


def bucketed_batches(lengths: np.ndarray, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Positions for one epoch of training: each exactly once, similar lengths together, batches in random order.

    Args:
        lengths: ``(len,)`` steps of every utterance.
        batch_size: Utterances a batch; one batch may be smaller.
        seed: Seed of the run.
        epoch: The order is a function of lengths, batch size, seed and epoch alone, so that a resumed run repeats it.
    """
    order = np.random.default_rng([seed, epoch])
    blurred = lengths * order.uniform(1 - _BLUR, 1 + _BLUR, size=len(lengths))
    # The first key is the last in lexsort: by blurred length, equal ones (all of length 0 or 1) at random.
    shuffled = order.permutation(len(lengths))
    batches = _cut(shuffled[np.argsort(blurred[shuffled], kind="stable")], batch_size)
    return [batches[position] for position in order.permutation(len(batches))]


def sequential_batches(lengths: np.ndarray, *, batch_size: int) -> list[list[int]]:
    """Positions for evaluation: each exactly once, by length, always the same."""
    return _cut(np.argsort(lengths, kind="stable"), batch_size)


def budgeted_batches(costs: Sequence[int], *, budget: int) -> list[list[int]]:
    """Positions for an encoder: each exactly once, similar costs together, by cost from the largest down.

    Args:
        costs: What each input adds to a batch; all of a batch are padded to its largest.
        budget: Largest cost of a padded batch; an input that is larger by itself is a batch by itself.
    """
    batches: list[list[int]] = []
    longest = 0
    real = 0
    for position in sorted(range(len(costs)), key=lambda one: (-costs[one], one)):
        padded = longest * (len(batches[-1]) + 1) if batches else 0
        if not batches or padded > budget or padded - real - costs[position] > _MOST_PADDING * padded:
            batches.append([])
            longest, real = costs[position], 0
        batches[-1].append(position)
        real += costs[position]
    return batches


def _cut(positions: np.ndarray, batch_size: int) -> list[list[int]]:
    assert batch_size >= 1
    return [positions[start : start + batch_size].tolist() for start in range(0, len(positions), batch_size)]
