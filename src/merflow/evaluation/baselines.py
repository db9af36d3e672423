"""Figures of the baselines. They are shown next to the variants; no test compares them."""

from collections.abc import Mapping

import numpy as np

from merflow.contracts.baselines import Baseline
from merflow.contracts.results import BaselineScore
from merflow.errors import EvaluationError
from merflow.evaluation.metrics import confusion_matrix, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.predictions import VariantPredictions
from merflow.evaluation.significance import dialogue_counts, percentile_interval, resampled_counts


def baseline_scores(
    baselines: Mapping[str, Baseline],
    variant: VariantPredictions,
    *,
    classes: tuple[str, ...],
    groups: int,
    samples: int,
    seed: int,
) -> dict[str, BaselineScore]:
    """Compute the figures of each baseline.

    Args:
        baselines: Baselines by name.
        variant: Variant that was tested on the same utterances; each utterance counts once, whatever the seeds.
        classes: Class order of the labels.
        groups: Number of dialogues.
        samples: Number of resamples.
        seed: Seed of the resamples.

    Raises:
        EvaluationError: A baseline has no guess, or an unknown class, for a tested utterance.
    """
    once = variant.seeds == variant.seeds.min()
    labels, dialogues = variant.labels[once], variant.dialogues[once]
    scores = {}
    for name, baseline in baselines.items():
        predicted = _predicted(name, baseline, variant.utterance_ids[once], classes=classes)
        counts = confusion_matrix(labels, predicted, classes=len(classes))
        by_dialogue = dialogue_counts(labels * len(classes) + predicted, dialogues, groups=groups, classes=len(classes))
        figures = unweighted_accuracy_of(resampled_counts(by_dialogue, samples=samples, seed=seed))
        scores[name] = BaselineScore(
            ua=float(unweighted_accuracy_of(counts)),
            wa=float(weighted_accuracy_of(counts)),
            ci95=percentile_interval(figures, groups=groups),
            description=baseline.what,
        )
    return scores


def _predicted(name: str, baseline: Baseline, utterances: np.ndarray, *, classes: tuple[str, ...]) -> np.ndarray:
    """Return the predicted class indices ``(n,)``."""
    index_of = {word: index for index, word in enumerate(classes)}
    for utterance in utterances:
        guess = baseline.guesses.get(utterance)
        if guess not in index_of:
            raise EvaluationError(
                f"baseline {name} predicts {guess!r} for {utterance}, which is not one of {list(classes)}; "
                "build it from the manifest and splits that the variants were trained on"
            )
    return np.array([index_of[baseline.guesses[utterance]] for utterance in utterances], dtype=np.int64)
