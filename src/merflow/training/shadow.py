"""The shadow selection ``none-paper``: what a report would say if the test part chose the epoch.

Some published code does so. Here it is a record beside the honest training, which never reads it: the epoch, the end of
a stage and the weights follow from development data alone, and are the same to the bit with and without it.
"""

from dataclasses import dataclass

import numpy as np

from merflow.evaluation.metrics import unweighted_accuracy


@dataclass(frozen=True)
class Shadow:
    """The epoch of the last stage with the highest test UA; of equals the first.

    Attributes:
        epoch: 0 before the first.
        test_ua: 0 to 1, of that epoch.
        probabilities: ``(test utterances, C)`` float32 of that epoch; empty before the first.
    """

    epoch: int
    test_ua: float
    probabilities: np.ndarray

    @classmethod
    def empty(cls) -> "Shadow":
        """Before the first epoch of a stage."""
        return cls(0, 0.0, np.zeros((0, 0), dtype=np.float32))

    def with_epoch(self, epoch: int, probabilities: np.ndarray, *, labels: np.ndarray) -> "Shadow":
        """After one more epoch."""
        classes = probabilities.shape[1]
        test_ua = unweighted_accuracy(labels, probabilities.argmax(axis=1), classes=classes)
        return Shadow(epoch, test_ua, probabilities) if not self.epoch or test_ua > self.test_ua else self
