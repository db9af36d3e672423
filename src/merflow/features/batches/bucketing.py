"""Division of utterances into batches: of similar length, so that little of a batch is padding, or at random."""

import numpy as np

# Lengths are blurred by up to this factor before sorting, so that every epoch has other batches.
_BLUR = 0.15


def bucketed_batches(lengths: np.ndarray, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the positions for one epoch of training: each once, similar lengths together, batches in random order.

    Args:
        lengths: ``(len,)`` steps of every utterance.
        batch_size: Utterances per batch; one batch may be smaller.
        seed: Seed of the run.
        epoch: Number of the epoch. The order depends on lengths, batch size, seed and epoch alone, so that a resumed
            run repeats it.
    """
    order = np.random.default_rng([seed, epoch])
    blurred = lengths * order.uniform(1 - _BLUR, 1 + _BLUR, size=len(lengths))
    # Equal blurred lengths (those of length 0 or 1) come in random order.
    shuffled = order.permutation(len(lengths))
    batches = _cut(shuffled[np.argsort(blurred[shuffled], kind="stable")], batch_size)
    return [batches[position] for position in order.permutation(len(batches))]


def random_batches(count: int, *, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the positions 0 to ``count - 1`` for one epoch of training, each once, whatever their lengths."""
    return _cut(np.random.default_rng([seed, epoch]).permutation(count), batch_size)


def sequential_batches(lengths: np.ndarray, *, batch_size: int) -> list[list[int]]:
    """Return the positions for evaluation: each once, by length, always in the same order."""
    return _cut(np.argsort(lengths, kind="stable"), batch_size)


def _cut(positions: np.ndarray, batch_size: int) -> list[list[int]]:
    assert batch_size >= 1
    return [positions[start : start + batch_size].tolist() for start in range(0, len(positions), batch_size)]
