"""Every pair of variants: how far they lie apart, and what of that could be chance.

Two chances are told apart. ``ci95`` and ``p_bootstrap`` are about the choice of test dialogues, for the models that
were trained: a drawn dialogue brings its predictions of all seeds, so that several seeds of one utterance never pass
for several utterances. ``over_seeds`` is about the choice of seed, for these dialogues: each seed's folds are pooled,
and the interval is Student's over the seeds. A difference to believe is clear of zero in both.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from merflow.contracts.params import EvaluationParams
from merflow.evaluation.metrics import unweighted_accuracy, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.power import power_of
from merflow.evaluation.predictions import VariantPredictions, variants_of
from merflow.evaluation.significance import enough_samples, holm, mcnemar, paired_difference
from merflow.evaluation.spread import counts_of, resample, spread


def compare_variants(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame,
    *,
    protocol: str,
    classes: tuple[str, ...],
    folds: Iterable[int],
    params: EvaluationParams,
) -> dict[str, Any]:
    """Variants of any runs on the same tests: what of ``results.json`` is about their differences, and nothing else.

    Args:
        predictions: As for :func:`merflow.evaluation.predictions.variants_of`, under names that tell them apart.
        utterances: utterance_id and dialogue_id of the corpus.
        protocol: Of the splits.
        classes: Class order of the probabilities.
        folds: Of the protocol.
        params: Resamples and their seed.

    Returns:
        ``utterances``, ``dialogues``, ``seeds``, ``resamples``, ``variants`` (each with UA and WA), ``comparisons``
        and ``power``, as :mod:`merflow.evaluation.results` describes them.

    Raises:
        EvaluationError: As :func:`merflow.evaluation.predictions.variants_of`.
    """
    variants = variants_of(predictions, utterances, protocol=protocol, classes=classes, folds=folds)
    first = next(iter(variants.values()))
    groups, tested = int(first.dialogues.max()) + 1, len(set(first.utterance_ids.tolist()))
    samples = enough_samples(params.bootstrap_samples, comparisons=len(variants) * (len(variants) - 1) // 2)
    sizes = {"groups": groups, "classes": len(classes)}
    resampled = resample(variants, samples=samples, seed=params.bootstrap_seed, **sizes)
    pairs = comparisons(variants, resampled, groups=groups)
    return {
        "utterances": tested,
        "dialogues": groups,
        "seeds": sorted(set(first.seeds.tolist())),
        "resamples": samples,
        "variants": {
            name: {
                "UA": spread(unweighted_accuracy_of, variant, resampled=resampled[name], **sizes),
                "WA": spread(weighted_accuracy_of, variant, resampled=resampled[name], **sizes),
            }
            for name, variant in variants.items()
        },
        "comparisons": pairs,
        "power": power_of(pairs, utterances=tested, dialogues=groups),
    }


def comparisons(
    variants: Mapping[str, VariantPredictions], resampled: Mapping[str, np.ndarray], *, groups: int
) -> list[dict[str, Any]]:
    """Every pair once, the variant of the higher pooled UA as ``a``; the best variant's pairs first.

    Args:
        variants: By name, of the same tests.
        resampled: Variant -> confusion counts ``(B, C, C)``, drawn with the same dialogues.
        groups: Dialogues.
    """
    classes = next(iter(resampled.values())).shape[-1]
    pooled = {name: unweighted_accuracy(v.labels, v.predicted, classes=classes) for name, v in variants.items()}
    figures = {name: unweighted_accuracy_of(counts) for name, counts in resampled.items()}
    utterances, _ = pd.factorize(next(iter(variants.values())).utterance_ids)
    rows: list[dict[str, Any]] = []
    for a, b in combinations(sorted(variants, key=lambda name: (-pooled[name], name)), 2):
        difference = paired_difference(figures[a], figures[b], groups=groups)
        right = [variants[name].predicted == variants[name].labels for name in (a, b)]
        rows.append(
            {
                "a": a,
                "b": b,
                "delta_UA": pooled[a] - pooled[b],
                "ci95": None if difference.interval is None else list(difference.interval),
                "standard_error": difference.standard_error,
                "p_bootstrap": difference.p_value,
                "p_mcnemar": mcnemar(right[0], right[1], utterances=utterances),
                "over_seeds": _over_seeds(variants[a], variants[b], classes=classes),
            }
        )
    for test, adjusted in (("p_bootstrap", "p_holm"), ("p_mcnemar", "p_mcnemar_holm")):
        for row, value in zip(rows, holm([row[test] for row in rows]), strict=True):
            row[adjusted] = value
    return rows


def _over_seeds(a: VariantPredictions, b: VariantPredictions, *, classes: int) -> dict[str, Any] | None:
    """The UA difference of each seed, its mean, deviation and interval; None for one seed."""
    seeds = sorted(set(a.seeds.tolist()))
    if len(seeds) < 2:
        return None
    counts = [np.stack([counts_of(v, v.seeds == seed, classes=classes) for seed in seeds]) for v in (a, b)]
    differences = unweighted_accuracy_of(counts[0]) - unweighted_accuracy_of(counts[1])
    mean, deviation = float(differences.mean()), float(differences.std(ddof=1))
    reach = float(stats.t.ppf(0.975, df=len(seeds) - 1)) * deviation / len(seeds) ** 0.5
    return {
        "mean": mean,
        "std": deviation,
        "ci95": [mean - reach, mean + reach],
        "each": [{"seed": seed, "delta_UA": float(value)} for seed, value in zip(seeds, differences, strict=True)],
    }
