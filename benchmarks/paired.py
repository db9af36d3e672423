"""Unweighted accuracy of prediction tables, and the difference between two tables on the same test utterances.

The tables may hold several seeds, and not the same number of them: a resampled dialogue brings all of its predictions.

Shapes: n tests, G dialogues, B resamples, C classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from merflow.corpus.manifest import Manifest
from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.evaluation.significance import dialogue_counts, paired_difference, percentile_interval, resampled_counts

_SAMPLES = 2000
_SEED = 0


@dataclass(frozen=True)
class Outcomes:
    """The confusion counts of one system.

    Attributes:
        counts: ``(G, C, C)`` per dialogue, of all seeds together.
        of_seed: Seed -> ``(C, C)`` of all dialogues.
    """

    counts: np.ndarray
    of_seed: Mapping[int, np.ndarray]

    @classmethod
    def of(cls, predictions: pd.DataFrame, *, dialogue_of: Mapping[str, str], classes: Sequence[str]) -> "Outcomes":
        """Count the rows of a table of predictions.

        Args:
            predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS`.
            dialogue_of: Utterance -> dialogue. Tables of the same utterances have their dialogues in the same order.
            classes: The order of the probabilities.
        """
        labels = predictions["label"].map({name: index for index, name in enumerate(classes)}).to_numpy()
        cells = labels * len(classes) + np.stack(predictions["probabilities"].to_list()).argmax(axis=1)
        names, dialogues = np.unique(predictions["utterance_id"].map(dialogue_of), return_inverse=True)
        sizes = {"groups": len(names), "classes": len(classes)}
        seeds = predictions["seed"].to_numpy()
        return cls(
            dialogue_counts(cells, dialogues, **sizes),
            {
                int(seed): dialogue_counts(cells[seeds == seed], dialogues[seeds == seed], **sizes).sum(axis=0)
                for seed in np.unique(seeds)
            },
        )

    @property
    def figures(self) -> dict[str, Any]:
        """Pooled UA with a 95% interval over dialogues, and the UA of each seed."""
        resampled = unweighted_accuracy_of(resampled_counts(self.counts, samples=_SAMPLES, seed=_SEED))
        return {
            "UA": float(unweighted_accuracy_of(self.counts.sum(axis=0))),
            "ci95": percentile_interval(resampled, groups=len(self.counts)),
            "UA_by_seed": {str(seed): float(unweighted_accuracy_of(counts)) for seed, counts in self.of_seed.items()},
        }


Counter = Callable[[pd.DataFrame], Outcomes]


def counter_of(manifest: Manifest) -> Counter:
    """Return a function that counts tables of predictions on a corpus."""
    dialogue_of = manifest.rows.set_index("utterance_id")["dialogue_id"].to_dict()
    return partial(Outcomes.of, dialogue_of=dialogue_of, classes=manifest.classes)


def difference(a: Outcomes, b: Outcomes) -> dict[str, Any]:
    """Return the UA of a minus that of b, with a 95% interval over the dialogues that both were tested on."""
    both = resampled_counts(np.stack([a.counts, b.counts]), samples=_SAMPLES, seed=_SEED)
    paired = paired_difference(*unweighted_accuracy_of(both), groups=len(a.counts))
    delta = unweighted_accuracy_of(a.counts.sum(axis=0)) - unweighted_accuracy_of(b.counts.sum(axis=0))
    return {"delta_UA": float(delta), "ci95": paired.interval, "p": paired.p_value}
