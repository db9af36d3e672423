"""The folds for training classics: utterances and labels per part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from merflow.contracts.protocols import Part
from merflow.contracts.task import Regression
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import Splits, ids


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes:
        number: Counted from 1.
        ids: Utterances per part.
        labels: Class indices or scores per part, in the same order.
        classes: Number of classes; 0 for scores.
        score: The scale of scores; None for classes.
    """

    number: int
    ids: dict[Part, list[str]]
    labels: dict[Part, np.ndarray]
    classes: int
    score: Regression | None = None

    def with_development(self) -> "Fold":
        """Return the fold with its development part also in the training part."""
        ids: dict[Part, list[str]] = {**self.ids, "train": [*self.ids["train"], *self.ids["dev"]]}
        labels = {**self.labels, "train": np.concatenate([self.labels["train"], self.labels["dev"]])}
        return replace(self, ids=ids, labels=labels)


def folds_of(manifest: Manifest, splits: Splits) -> Sequence[Fold]:
    """Return the folds of a split, in their order."""
    task = splits.task_of(manifest)
    label_of = manifest.rows.set_index("utterance_id")[task.column]
    score = task if isinstance(task, Regression) else None
    classes = () if score else manifest.classes
    if not score:
        label_of = label_of.map({name: index for index, name in enumerate(classes)})
    kind = np.float64 if score else np.int64
    folds = []
    for number in sorted({int(fold) for fold in splits.rows["fold"]}):
        parts: dict[Part, list[str]] = {part: ids(splits, fold=number, part=part) for part in ("train", "dev", "test")}
        labels = {part: label_of.loc[names].to_numpy(dtype=kind) for part, names in parts.items()}
        folds.append(Fold(number, parts, labels, len(classes), score))
    return folds
