"""A shard between its readers and its encoder: inputs arrive in any order, and leave in the plan's order."""

from collections import deque
from collections.abc import Iterator, Sequence

from merflow.features.encoders.interface import Prepared

# Prepared inputs that are sorted by cost before they are cut into batches; a whole shard's if they are fewer.
_WINDOW_BYTES = 64 << 20


class ShardInProgress:
    """A shard that is being read and encoded.

    Readers finish in any order. Inputs are taken up in the plan's order, so that the same inputs form the same batches.
    """

    def __init__(self, digests: Sequence[str]) -> None:
        self._expected = deque(digests)
        self._early: dict[str, Prepared | str] = {}
        self._window: list[tuple[str, Prepared]] = []
        self._bytes = 0

    @property
    def complete(self) -> bool:
        """True if every input has been taken up."""
        return not self._expected

    def add(self, digest: str, prepared: Prepared | str) -> Iterator[tuple[str, str]]:
        """Take up all inputs that are due by now; yield those that cannot be encoded, with the reason."""
        self._early[digest] = prepared
        while self._expected and self._expected[0] in self._early:
            first = self._expected.popleft()
            due = self._early.pop(first)
            if isinstance(due, str):
                yield first, due
                continue
            self._window.append((first, due))
            self._bytes += _bytes_of(due.values)

    def window(self) -> list[tuple[str, Prepared]]:
        """Return the inputs to encode now: none until they fill a window or the shard is complete."""
        if self._bytes < _WINDOW_BYTES and self._expected:
            return []
        window, self._window, self._bytes = self._window, [], 0
        return window


def _bytes_of(values: object) -> int:
    """Return the memory of a prepared input's arrays."""
    if isinstance(values, dict):
        return sum(_bytes_of(value) for value in values.values())
    if isinstance(values, list | tuple):
        return sum(_bytes_of(value) for value in values)
    return int(getattr(values, "nbytes", 64))
