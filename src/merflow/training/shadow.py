"""Shadow selection ``none-paper``: the result that a report would show if the test part selected the epoch.

Some published code selects epochs this way. Here the result is recorded in addition to the regular training, which
never reads it: the selected epoch, the end of a stage and the weights depend only on development data, and they are
bit-identical with and without the shadow selection.
"""

from dataclasses import dataclass

import numpy as np

from merflow.contracts.task import Task
from merflow.training.figures import shadow_figure


@dataclass(frozen=True)
class Shadow:
    """The epoch with the highest test UA, or the lowest test MAE for scores, of any stage; the first among ties.

    Attributes:
        epoch: Number of the epoch; 0 before the first.
        figure: Its test UA, 0 to 1, or minus its test MAE.
        predictions: Its probabilities ``(test utterances, C)``, or scores, float32; empty before the first epoch.
    """

    epoch: int
    figure: float
    predictions: np.ndarray

    @classmethod
    def empty(cls) -> "Shadow":
        """Return the state before the first epoch."""
        return cls(0, 0.0, np.zeros((0, 0), dtype=np.float32))

    def with_epoch(self, epoch: int, predictions: np.ndarray, *, labels: np.ndarray, task: Task) -> "Shadow":
        """Return the state after one more epoch."""
        figure = shadow_figure(labels, predictions, task=task)
        return Shadow(epoch, figure, predictions) if not self.epoch or figure > self.figure else self
