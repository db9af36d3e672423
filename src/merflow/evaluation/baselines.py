"""The figures of the baselines: they stand beside the variants, and are compared with none of them by a test."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from merflow.contracts.baselines import Baseline
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import confusion_matrix, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import dialogue_counts, percentile_interval, resampled_counts


def baseline_figures(
    baselines: Mapping[str, Baseline],
    variant: VariantPredictions,
    *,
    classes: tuple[str, ...],
    groups: int,
    samples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Baseline -> pooled ``UA`` and ``WA``, ``ci95`` of UA over dialogues, and ``what`` it predicts from.

    Args:
        baselines: By name.
        variant: Whose tests they are held against; each utterance counts once, whatever the seeds.
        classes: Class order of the labels.
        groups: Dialogues.
        samples: Resamples.
        seed: Of the resamples.

    Raises:
        EvaluationError: A baseline has no guess, or an unknown class, for a tested utterance.
    """
    once = variant.seeds == variant.seeds.min()
    labels, dialogues = variant.labels[once], variant.dialogues[once]
    found = {}
    for name, baseline in baselines.items():
        predicted = _predicted(name, baseline, variant.utterance_ids[once], classes=classes)
        counts = confusion_matrix(labels, predicted, classes=len(classes))
        by_dialogue = dialogue_counts(labels * len(classes) + predicted, dialogues, groups=groups, classes=len(classes))
        figures = unweighted_accuracy_of(resampled_counts(by_dialogue, samples=samples, seed=seed))
        interval = percentile_interval(figures, groups=groups)
        found[name] = {
            "UA": float(unweighted_accuracy_of(counts)),
            "WA": float(weighted_accuracy_of(counts)),
            "ci95": None if interval is None else list(interval),
            "what": baseline.what,
        }
    return found


def _predicted(name: str, baseline: Baseline, utterances: np.ndarray, *, classes: tuple[str, ...]) -> np.ndarray:
    """Class indices ``(n,)``."""
    index_of = {word: index for index, word in enumerate(classes)}
    for utterance in utterances:
        guess = baseline.guesses.get(utterance)
        if guess not in index_of:
            raise EvaluationError(
                f"baseline {name} predicts {guess!r} for {utterance}, which is none of {list(classes)}; "
                "make it on the manifest and splits that the variants were trained on"
            )
    return np.array([index_of[baseline.guesses[utterance]] for utterance in utterances], dtype=np.int64)
