"""Shadow selection ``none-paper``: the result a report would show if the test part chose the epoch.

Some published code selects epochs this way. Here the result is recorded beside the honest training, which never reads
it: the chosen epoch, the end of a stage and the weights follow from development data alone, and they are bit-identical
with and without the shadow selection.
"""

from dataclasses import dataclass

import numpy as np

from merflow.evaluation.metrics import unweighted_accuracy


@dataclass(frozen=True)
class Shadow:
    """The epoch with the highest test UA, of whatever stage; the first one in case of a tie.

    Attributes:
        epoch: Number of the epoch; 0 before the first.
        test_ua: Its test UA, 0 to 1.
        probabilities: Its ``(test utterances, C)`` float32; empty before the first epoch.
    """

    epoch: int
    test_ua: float
    probabilities: np.ndarray

    @classmethod
    def empty(cls) -> "Shadow":
        """Return the state before the first epoch."""
        return cls(0, 0.0, np.zeros((0, 0), dtype=np.float32))

    def with_epoch(self, epoch: int, probabilities: np.ndarray, *, labels: np.ndarray) -> "Shadow":
        """Return the state after one more epoch."""
        classes = probabilities.shape[1]
        test_ua = unweighted_accuracy(labels, probabilities.argmax(axis=1), classes=classes)
        return Shadow(epoch, test_ua, probabilities) if not self.epoch or test_ua > self.test_ua else self
