"""Edit distances in a slow loop, to compare the word error rates with."""

from collections.abc import Sequence


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest edits from one sequence to the other, cell by cell."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, start=1):
        row, above = [i], row
        for j, other in enumerate(heard, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one != other)))
    return row[-1]
