"""Batches of an encoder: inputs of similar cost, up to a budget."""

from collections.abc import Sequence

# Largest share of padding in a batch; a batch ends before the input that would exceed it.
_MOST_PADDING = 0.05


def budgeted_batches(costs: Sequence[int], *, budget: int) -> list[list[int]]:
    """Return positions in batches: each once, similar costs together, from the largest cost down.

    Args:
        costs: Cost of each input; all inputs of a batch are padded to its largest.
        budget: Largest cost of a padded batch. An input that costs more is a batch by itself.
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
