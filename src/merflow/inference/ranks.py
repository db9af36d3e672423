"""The processes that work on one fold together, and the share of the work that each of them takes.

Shapes: W processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True)
class Ranks:
    """This process among those that work on the fold; by default the only one, for which every method is a no-op.

    Attributes:
        rank: Its index, from 0. The first process writes all files.
        count: W.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """True if this process writes checkpoints and results."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process has reached this call, so that each can read what another wrote before it."""
        if self.count > 1:
            from accelerate.utils import wait_for_everyone

            wait_for_everyone()

    def share(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return every W-th row. In a batch sorted by length, all shares then have about the same number of steps."""
        return rows[self.rank :: self.count]

    def collect(self, rows: list[Row]) -> list[Row]:
        """Return the rows of all processes in the order of their ranks; every process receives all of them."""
        if self.count == 1:
            return rows
        from accelerate.utils import gather_object

        collected: list[Row] = gather_object(rows)
        return collected


ALONE = Ranks()
