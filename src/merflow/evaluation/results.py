"""From prediction tables to ``results.json``: every number of a report is computed here, and only here.

Conventions: figures are shares, 0 to 1. ``mean`` and ``std`` (n - 1 in the denominator, null for a single fold) are
over folds and seeds; ``pooled`` and ``ci95`` (null for a single dialogue) are of all test predictions together. Macro
F1, weighted F1, calibration error, recalls and confusion are pooled. ``comparisons`` hold every pair once, the variant
of the higher pooled UA as a; ``p_holm`` adjusts ``p_bootstrap`` over all pairs. With several seeds, McNemar's test
takes the lowest seed, because predictions of one utterance are not independent. ``resamples`` is how many the bootstrap
drew: more than asked for where there are many pairs. ``over_seeds`` pools the folds of each seed first. ``none_paper``
(null where nobody asked for it) and ``missing`` are side columns: figures of other predictions, in no comparison.
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.errors import EvaluationError
from merflow.contracts.params import EvaluationParams
from merflow.evaluation.calibration import calibration_error, reliability
from merflow.evaluation.metrics import (
    confusion_matrix,
    macro_f1,
    recalls_of,
    unweighted_accuracy,
    unweighted_accuracy_of,
    weighted_accuracy,
    weighted_accuracy_of,
    weighted_f1,
)
from merflow.evaluation.predictions import VariantPredictions, variants_of
from merflow.evaluation.side_columns import missing as missing_column
from merflow.evaluation.side_columns import none_paper as none_paper_column
from merflow.evaluation.side_columns import side_variants
from merflow.evaluation.significance import (
    dialogue_counts,
    enough_samples,
    holm,
    mcnemar,
    paired_difference,
    resampled_counts,
)
from merflow.evaluation.spread import over_seeds, spread, tests_of

# Variant -> fold and seed -> best_epoch, dev_ua, dev_loss.
Development = Mapping[str, Mapping[tuple[int, int], Mapping[str, float]]]


def summarise(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame,
    *,
    corpus: str,
    manifest_hash: str,
    split_id: str,
    protocol: str,
    classes: tuple[str, ...],
    selections: Mapping[str, str],
    stages: Mapping[str, tuple[str, ...]],
    published: Mapping[str, Mapping[str, float]],
    development: Development,
    params: EvaluationParams,
    stages_of_preset: Mapping[str, tuple[str, ...]] | None = None,
    transcripts: Mapping[str, str | None] | None = None,
    transcripts_of_preset: Mapping[str, str | None] | None = None,
    folds: Iterable[int] | None = None,
    none_paper: pd.DataFrame | None = None,
    missing: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """The content of ``results.json``: plain floats, integers, strings, lists and nulls.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS`, all variants together.
        utterances: utterance_id and dialogue_id of the corpus.
        corpus: Its name.
        manifest_hash: Its version.
        split_id: Which splits.
        protocol: Of the splits.
        classes: Class order of the probabilities.
        selections: Variant -> how its epoch was chosen.
        stages: Variant -> the stages that were trained.
        published: Variant -> the paper's own percentages by metric; empty where it has none.
        development: Variant -> fold and seed -> best_epoch, dev_ua, dev_loss.
        params: Resamples, their seed, bins.
        stages_of_preset: Variant -> the stages its preset asks for; None where all of them were trained.
        transcripts: Variant -> whose words it read, ``truth`` or ``asr``; None for those that read none.
        transcripts_of_preset: Variant -> whose words its preset asks for; None where all of them were to be had.
        folds: Folds of the splits; None for every fold from 1 to the highest.
        none_paper: As the predictions, of the test-selected epochs; None where there are none.
        missing: Rows of :data:`merflow.contracts.tables.MISSING`; None where there are none.

    Raises:
        EvaluationError: As :func:`merflow.evaluation.predictions.variants_of`, or a variant has no selection rule.
    """
    rules: dict[str, Any] = {"protocol": protocol, "classes": classes, "folds": list(folds) if folds else None}
    variants = variants_of(predictions, utterances, **rules)
    shadows = side_variants(none_paper, utterances, honest=variants, rules=rules)
    lacking = _lacking(missing, utterances, honest=variants, rules=rules)
    nameless = sorted(set(variants) - set(selections))
    if nameless:
        raise EvaluationError(f"no selection rule for {', '.join(nameless)}; say how their epochs were chosen")
    groups = 1 + max(int(variant.dialogues.max()) for variant in variants.values())
    samples = enough_samples(params.bootstrap_samples, comparisons=len(variants) * (len(variants) - 1) // 2)
    sizes = {"groups": groups, "classes": len(classes)}
    draws = {"samples": samples, "seed": params.bootstrap_seed, **sizes}
    resampled, resampled_shadows = _resample(variants, **draws), _resample(shadows, **draws)
    biased = {
        name: none_paper_column(variants[name], shadow, resampled=(resampled[name], resampled_shadows[name]), **sizes)
        for name, shadow in shadows.items()
    }
    summaries = {
        name: {
            **_figures(variant, resampled[name], classes=classes, bins=params.calibration_bins, groups=groups),
            "folds": _folds(variant, classes=len(classes), params=params, development=development.get(name, {})),
            "over_seeds": over_seeds(variant, classes=len(classes)),
            "none_paper": biased.get(name),
            "missing": missing_column(variant, lacking.get(name, {}), classes=len(classes)),
            "selection": selections[name],
            "stages": list(stages.get(name, ())),
            "stages_of_preset": list((stages_of_preset or stages).get(name, stages.get(name, ()))),
            "transcripts": (transcripts or {}).get(name),
            "transcripts_of_preset": (transcripts_of_preset or transcripts or {}).get(name),
            "published": {metric: float(value) for metric, value in published.get(name, {}).items()},
        }
        for name, variant in variants.items()
    }
    first = next(iter(variants.values()))
    return {
        "corpus": corpus,
        "manifest_hash": manifest_hash,
        "split_id": split_id,
        "protocol": protocol,
        "classes": list(classes),
        "class_counts": np.bincount(first.labels[first.seeds == first.seeds[0]], minlength=len(classes)).tolist(),
        "utterances": len(set(first.utterance_ids.tolist())),
        "dialogues": groups,
        "seeds": sorted(set(first.seeds.tolist())),
        "evaluation": params.model_dump(),
        "resamples": samples,
        "variants": summaries,
        "comparisons": _comparisons(variants, resampled, groups=groups),
    }


def ranked(results: Mapping[str, Any]) -> list[str]:
    """The variants of a results dict by falling pooled UA, equal ones by name."""
    variants = results["variants"]
    return sorted(variants, key=lambda name: (-variants[name]["UA"]["pooled"], name))


def _lacking(
    missing: pd.DataFrame | None,
    utterances: pd.DataFrame,
    *,
    honest: Mapping[str, VariantPredictions],
    rules: Mapping[str, Any],
) -> dict[str, dict[str, VariantPredictions]]:
    """Variant -> what is missing -> its predictions without that, the small sets first."""
    found: dict[str, dict[str, VariantPredictions]] = {name: {} for name in honest}
    if missing is None:
        return found
    for gone in sorted(set(missing["missing"]), key=lambda gone: (gone.count("+"), gone)):
        table = missing[missing["missing"] == gone].drop(columns="missing")
        for name, variant in side_variants(table, utterances, honest=honest, rules=rules).items():
            found[name][gone] = variant
    return found


def _resample(
    variants: Mapping[str, VariantPredictions], *, groups: int, classes: int, samples: int, seed: int
) -> dict[str, np.ndarray]:
    """Variant -> confusion counts of each resample ``(B, C, C)``."""
    if not variants:
        return {}
    counts = [
        dialogue_counts(v.labels * classes + v.predicted, v.dialogues, groups=groups, classes=classes)
        for v in variants.values()
    ]
    return dict(zip(variants, resampled_counts(np.stack(counts), samples=samples, seed=seed), strict=True))


def _figures(
    variant: VariantPredictions, resampled: np.ndarray, *, classes: tuple[str, ...], bins: int, groups: int
) -> dict[str, Any]:
    size, labels, predicted = len(classes), variant.labels, variant.predicted
    counts = confusion_matrix(labels, predicted, classes=size)
    recalls = recalls_of(counts)
    return {
        "UA": spread(unweighted_accuracy_of, variant, classes=size, resampled=resampled, groups=groups),
        "WA": spread(weighted_accuracy_of, variant, classes=size, resampled=resampled, groups=groups),
        "macro_f1": macro_f1(labels, predicted, classes=size),
        "weighted_f1": weighted_f1(labels, predicted, classes=size),
        "ece": calibration_error(labels, variant.probabilities, bins=bins),
        "reliability": reliability(labels, variant.probabilities, bins=bins),
        "per_class_recall": {
            name: None if np.isnan(recall) else float(recall) for name, recall in zip(classes, recalls, strict=True)
        },
        "confusion": counts.tolist(),
        "chance": {"UA": 1 / int((~np.isnan(recalls)).sum()), "WA": float(counts.sum(axis=1).max() / counts.sum())},
    }


def _folds(
    variant: VariantPredictions,
    *,
    classes: int,
    params: EvaluationParams,
    development: Mapping[tuple[int, int], Mapping[str, float]],
) -> list[dict[str, Any]]:
    rows = []
    for fold, seed in tests_of(variant):
        test = (variant.folds == fold) & (variant.seeds == seed)
        labels, predicted = variant.labels[test], variant.predicted[test]
        chosen = development.get((fold, seed), {})
        rows.append(
            {
                "fold": fold,
                "seed": seed,
                "utterances": int(test.sum()),
                "UA": unweighted_accuracy(labels, predicted, classes=classes),
                "WA": weighted_accuracy(labels, predicted),
                "macro_f1": macro_f1(labels, predicted, classes=classes),
                "weighted_f1": weighted_f1(labels, predicted, classes=classes),
                "ece": calibration_error(labels, variant.probabilities[test], bins=params.calibration_bins),
                "best_epoch": int(chosen["best_epoch"]) if "best_epoch" in chosen else None,
                "dev_ua": _finite(chosen.get("dev_ua")),
                "dev_loss": _finite(chosen.get("dev_loss")),
            }
        )
    return rows


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _comparisons(
    variants: Mapping[str, VariantPredictions], resampled: Mapping[str, np.ndarray], *, groups: int
) -> list[dict[str, Any]]:
    classes = next(iter(resampled.values())).shape[-1]
    pooled = {name: unweighted_accuracy(v.labels, v.predicted, classes=classes) for name, v in variants.items()}
    figures = {name: unweighted_accuracy_of(counts) for name, counts in resampled.items()}
    rows: list[dict[str, Any]] = []
    for a, b in combinations(sorted(variants, key=lambda name: (-pooled[name], name)), 2):
        difference = paired_difference(figures[a], figures[b], groups=groups)
        one_seed = variants[a].seeds == variants[a].seeds.min()
        right = [(variants[name].predicted == variants[name].labels)[one_seed] for name in (a, b)]
        rows.append(
            {
                "a": a,
                "b": b,
                "delta_UA": pooled[a] - pooled[b],
                "ci95": None if difference.interval is None else list(difference.interval),
                "p_bootstrap": difference.p_value,
                "p_mcnemar": mcnemar(right[0], right[1]),
            }
        )
    for row, adjusted in zip(rows, holm([row["p_bootstrap"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return rows
