"""Figures shown next to a variant's honest ones, computed from separate predictions. No test compares them.

``none_paper`` is for the epochs with the highest test UA, and the bias of that choice. ``missing`` is for the same
models with a modality removed, or with other transcripts than they were trained on.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np

from merflow.contracts.scores import Bias, Biases, MissingInput, NonePaper
from merflow.evaluation.metrics import unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import paired_difference
from merflow.evaluation.spread import Figure, accuracy


def none_paper(
    honest: VariantPredictions,
    selected: VariantPredictions,
    *,
    resampled: tuple[np.ndarray, np.ndarray],
    groups: int,
    classes: int,
) -> NonePaper:
    """Compute the figures of test-selected epochs and their bias.

    Args:
        honest: Predictions of the epochs that were chosen on development data.
        selected: Predictions of the epochs that were chosen on test data.
        resampled: Confusion counts ``(B, C, C)`` of both, drawn with the same dialogues.
        groups: Number of dialogues.
        classes: C.
    """

    def bias(figure: Figure) -> Bias:
        pooled = accuracy(figure, selected, classes=classes).pooled - accuracy(figure, honest, classes=classes).pooled
        difference = paired_difference(figure(resampled[1]), figure(resampled[0]), groups=groups)
        return Bias(pooled=pooled, ci95=difference.interval)

    with_interval = partial(accuracy, variant=selected, classes=classes, resampled=resampled[1], groups=groups)
    return NonePaper(
        ua=with_interval(unweighted_accuracy_of),
        wa=with_interval(weighted_accuracy_of),
        bias=Biases(ua=bias(unweighted_accuracy_of), wa=bias(weighted_accuracy_of)),
    )


def missing_inputs(
    honest: VariantPredictions, without: Mapping[str, VariantPredictions], *, classes: int
) -> dict[str, MissingInput]:
    """Compute the figures of every missing input.

    Args:
        honest: The variant with its whole input.
        without: Predictions per missing input, named as in :data:`merflow.contracts.tables.MISSING`.
        classes: C.
    """
    whole = accuracy(unweighted_accuracy_of, honest, classes=classes).pooled
    scores = {}
    for inputs, variant in without.items():
        ua = accuracy(unweighted_accuracy_of, variant, classes=classes)
        wa = accuracy(weighted_accuracy_of, variant, classes=classes)
        scores[inputs] = MissingInput(ua=ua, wa=wa, delta_ua=ua.pooled - whole)
    return scores
