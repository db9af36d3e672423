"""Batches of utterances of similar length, so that little of a batch is padding."""

import numpy as np

# Lengths are blurred by up to this factor before sorting, so that an epoch's batches differ from the last epoch's.
_BLUR = 0.15


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


def _cut(positions: np.ndarray, batch_size: int) -> list[list[int]]:
    assert batch_size >= 1
    return [positions[start : start + batch_size].tolist() for start in range(0, len(positions), batch_size)]
