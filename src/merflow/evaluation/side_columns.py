"""What stands beside a variant's honest figures, computed from predictions of their own.

``none_paper``: the figures of the epoch that the test part itself likes best, and how much better than the honest ones
they look, which is the bias of choosing on test data. ``missing``: the figures without some modalities, and with other
words than the model was trained on.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions, variants_of
from merflow.evaluation.significance import paired_difference
from merflow.evaluation.spread import spread


def side_variants(
    table: pd.DataFrame | None,
    utterances: pd.DataFrame,
    *,
    honest: Mapping[str, VariantPredictions],
    rules: Mapping[str, Any],
) -> dict[str, VariantPredictions]:
    """The variants of a table beside the predictions, with the very tests of the honest ones.

    Args:
        table: As the predictions of :func:`merflow.evaluation.predictions.variants_of`; None or empty for none.
        utterances: As there.
        honest: The variants of the predictions.
        rules: ``protocol``, ``classes`` and ``folds``, as there.

    Raises:
        EvaluationError: As there, or a variant was tested on other utterances than in the predictions.
    """
    if table is None or table.empty:
        return {}
    found = variants_of(table, utterances, protocol=rules["protocol"], classes=rules["classes"], folds=rules["folds"])
    for name, variant in found.items():
        if name not in honest:
            raise EvaluationError(f"{name} has predictions beside the honest ones, but none of these; train it again")
        for what in ("utterance_ids", "seeds", "folds", "labels"):
            if not np.array_equal(getattr(variant, what), getattr(honest[name], what)):
                raise EvaluationError(
                    f"{name}: the predictions beside the honest ones are of other {what}; train its folds again"
                )
    return found


def none_paper(
    honest: VariantPredictions,
    shadow: VariantPredictions,
    *,
    resampled: tuple[np.ndarray, np.ndarray],
    groups: int,
    classes: int,
) -> dict[str, Any]:
    """The test-selected figures, and ``bias``: how far they lie above the honest ones on the same resamples.

    Args:
        honest: Epochs chosen on development data.
        shadow: Epochs chosen on the test data.
        resampled: Confusion counts ``(B, C, C)`` of both, drawn with the same dialogues.
        groups: Dialogues.
        classes: C.
    """
    figures = {"UA": unweighted_accuracy_of, "WA": weighted_accuracy_of}
    found: dict[str, Any] = {"promotable": False, "bias": {}}
    for name, figure in figures.items():
        theirs = spread(figure, shadow, classes=classes, resampled=resampled[1], groups=groups)
        ours = spread(figure, honest, classes=classes)
        difference = paired_difference(figure(resampled[1]), figure(resampled[0]), groups=groups)
        interval = None if difference.interval is None else list(difference.interval)
        found[name] = theirs
        found["bias"][name] = {"pooled": theirs["pooled"] - ours["pooled"], "ci95": interval}
    return found


def missing(honest: VariantPredictions, lacking: Mapping[str, VariantPredictions], *, classes: int) -> dict[str, Any]:
    """By what is missing: UA and WA, and how far UA lies from the whole input's.

    Args:
        honest: The variant with its whole input.
        lacking: By what is missing, as :data:`merflow.contracts.tables.MISSING` names it.
        classes: C.
    """
    whole = spread(unweighted_accuracy_of, honest, classes=classes)["pooled"]
    found = {}
    for gone, variant in lacking.items():
        ua = spread(unweighted_accuracy_of, variant, classes=classes)
        wa = spread(weighted_accuracy_of, variant, classes=classes)
        found[gone] = {"UA": ua, "WA": wa, "delta_UA": ua["pooled"] - whole}
    return found


def missing_in_words(gone: str) -> tuple[str, str]:
    """What is missing and in which sense, for people: ``audio + video`` is missing, recognised words are read."""
    words = {"text=asr": "recognised words", "text=truth": "true words"}
    return (words[gone], "read") if gone in words else (gone.replace("+", " + "), "missing")
