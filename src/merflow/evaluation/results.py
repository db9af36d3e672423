"""From prediction tables to ``results.json``: every number of a report is computed here and in the modules named below.

Figures are shares, 0 to 1. ``null`` stands where a figure cannot be had: ``std`` of one fold, ``ci95`` of
fewer than five dialogues.

``corpus``, ``manifest_hash``, ``split_id``, ``protocol``, ``classes``, ``class_counts``, ``utterances``, ``dialogues``,
    ``seeds``, ``evaluation`` (the parameters): what was tested. ``resamples`` is how many the bootstrap drew: more than
    asked for where there are many pairs.
``variants``: ``model:preset`` ->

  - ``UA``, ``WA``: ``{mean, std, pooled, ci95}``. ``mean`` and ``std`` (n - 1 in the denominator) are over folds and
    seeds; ``pooled`` and ``ci95`` (over dialogues) are of all test predictions together.
  - ``macro_f1``, ``weighted_f1``, ``ece``, ``per_class_recall``, ``confusion`` (counts, true class in rows): pooled.
    ``chance``: UA and WA of guessing.
  - ``reliability``: ``[{low, high, utterances, confidence, accuracy}]``, the bins of ``ece`` that hold predictions
    (:mod:`merflow.evaluation.calibration`).
  - ``breakdowns``: ``{setting, session, speaker, emotion, length}``, each ``[{group, utterances, classes, UA, WA,
    ci95}]``; empty where the corpus does not know. ``classes`` is over how many classes UA is the mean; an
    ``emotion``'s UA is its recall, and its WA is null (:mod:`merflow.evaluation.breakdowns`).
  - ``folds``: ``[{fold, seed, utterances, UA, WA, macro_f1, weighted_f1, ece, best_epoch, dev_ua, dev_loss}]``.
  - ``over_seeds``: ``{UA: {mean, std}, WA: {mean, std}, each: [{seed, UA, WA}]}``; pools the folds of each seed first.
  - ``none_paper`` (null where nobody asked for it) and ``missing``: side columns, figures of other predictions, in no
    comparison (:mod:`merflow.evaluation.side_columns`).
  - ``selection``, ``stages``, ``stages_of_preset``, ``transcripts``, ``transcripts_of_preset``: how it was trained.
    ``published``: the paper's own percentages.

``comparisons``: every pair once, the variant of the higher pooled UA as ``a``: ``[{a, b, delta_UA, ci95,
    standard_error, p_bootstrap, p_mcnemar, p_holm, p_mcnemar_holm, over_seeds}]``. ``p_holm`` adjusts ``p_bootstrap``
    over all pairs, ``p_mcnemar_holm`` adjusts ``p_mcnemar``. ``over_seeds`` is null for one seed, else ``{mean, std,
    ci95, each: [{seed, delta_UA}]}`` (:mod:`merflow.evaluation.comparisons`).
``power``: ``{alpha, power, utterances, dialogues, standard_error, detectable_UA, detectable_UA_holm, pairs: [{a, b,
    standard_error, detectable_UA}], planned: {utterances, dialogues, class_counts, disagreement, correlation,
    standard_error, detectable_UA}, note}``: how large a difference this test set can show, of the typical pair and of
    each, and by assumption what a whole IEMOCAP could; ``note`` says it in a sentence. ``standard_error`` and
    ``detectable_UA`` are null for one variant or few dialogues (:mod:`merflow.evaluation.power`).
``baselines``: ``majority``, ``side-only``, ``text-leak`` -> ``{UA, WA, ci95, what}``; ``ci95`` is of UA, ``what`` one
    sentence. One that the corpus has no columns for is left out. They are in no comparison
    (:mod:`merflow.evaluation.baselines`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.baselines import Baseline
from merflow.contracts.params import EvaluationParams
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import baseline_figures
from merflow.evaluation.breakdowns import breakdowns
from merflow.evaluation.calibration import calibration_error, reliability
from merflow.evaluation.comparisons import comparisons
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
from merflow.evaluation.power import power_of
from merflow.evaluation.predictions import VariantPredictions, variants_of
from merflow.evaluation.side_columns import missing as missing_column
from merflow.evaluation.side_columns import none_paper as none_paper_column
from merflow.evaluation.side_columns import side_variants
from merflow.evaluation.significance import enough_samples
from merflow.evaluation.spread import over_seeds, resample, spread, tests_of
from merflow.storage.local import check_record, read_record

# Variant -> fold and seed -> best_epoch, dev_ua, dev_loss.
Development = Mapping[str, Mapping[tuple[int, int], Mapping[str, float]]]

# Of the results, and of each variant. A file that lacks one was written by another version.
KEYS = (
    *("corpus", "manifest_hash", "split_id", "protocol", "classes", "class_counts", "utterances", "dialogues", "seeds"),
    *("evaluation", "resamples", "variants", "comparisons", "power", "baselines"),
)
VARIANT_KEYS = (
    *("UA", "WA", "macro_f1", "weighted_f1", "ece", "reliability", "per_class_recall", "confusion", "chance"),
    *("breakdowns", "folds", "over_seeds", "none_paper", "missing", "selection", "stages", "stages_of_preset"),
    *("transcripts", "transcripts_of_preset", "published"),
)


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
    baselines: Mapping[str, Baseline] | None = None,
) -> dict[str, Any]:
    """The content of ``results.json``: plain floats, integers, strings, lists and nulls.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS`, all variants together.
        utterances: utterance_id and dialogue_id of the corpus; and what the breakdowns read, where it is known:
            session, speaker, scripted, duration_s.
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
        baselines: On the same folds, by name; None for none.

    Raises:
        EvaluationError: As :func:`merflow.evaluation.predictions.variants_of`, a variant has no selection rule, or a
            baseline lacks an utterance.
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
    resampled, resampled_shadows = resample(variants, **draws), resample(shadows, **draws)
    few_draws = {"samples": params.bootstrap_samples, "seed": params.bootstrap_seed}
    parts = breakdowns(variants, utterances, classes=classes, **few_draws)
    biased = {
        name: none_paper_column(variants[name], shadow, resampled=(resampled[name], resampled_shadows[name]), **sizes)
        for name, shadow in shadows.items()
    }
    summaries = {
        name: {
            **_figures(variant, resampled[name], classes=classes, bins=params.calibration_bins, groups=groups),
            "breakdowns": parts[name],
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
    tested = len(set(first.utterance_ids.tolist()))
    pairs = comparisons(variants, resampled, groups=groups)
    return {
        "corpus": corpus,
        "manifest_hash": manifest_hash,
        "split_id": split_id,
        "protocol": protocol,
        "classes": list(classes),
        "class_counts": np.bincount(first.labels[first.seeds == first.seeds[0]], minlength=len(classes)).tolist(),
        "utterances": tested,
        "dialogues": groups,
        "seeds": sorted(set(first.seeds.tolist())),
        "evaluation": params.model_dump(),
        "resamples": samples,
        "variants": summaries,
        "comparisons": pairs,
        "power": power_of(pairs, utterances=tested, dialogues=groups),
        "baselines": baseline_figures(baselines or {}, first, classes=classes, groups=groups, **few_draws),
    }


def read_results(path: Path, *, keys: Iterable[str] | None = None) -> dict[str, Any]:
    """The content of a ``results.json``.

    Args:
        path: The file.
        keys: What the reader takes of it; None for everything, of every variant too.

    Raises:
        MerflowError: The file is missing or garbled, or of another version, which laid it out otherwise.
    """
    mend = (
        "evaluate the folds again: run the benchmark's own command, which keeps its finished folds, or "
        f"merflow evaluate FOLDS --manifest M --splits S --out {path.parent}"
    )
    found = read_record(path, keys=KEYS if keys is None else keys, mend=mend)
    if keys is None:
        for variant, entry in found["variants"].items():
            check_record(entry, keys=VARIANT_KEYS, where=f"{path}: {variant}", mend=mend)
    return found


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
