"""From prediction tables to results: every figure of a report is computed here and in the modules imported below."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from merflow.contracts.baselines import Baseline
from merflow.contracts.classics import ClassicRecord
from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.params import EvaluationParams
from merflow.contracts.published import PublishedFigure
from merflow.contracts.results import Results
from merflow.contracts.scores import Breakdown, Chance, FoldScore, Group, NonePaper, Training, Variant
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import baseline_scores
from merflow.evaluation.breakdowns import breakdowns
from merflow.evaluation.calibration import calibration_error, reliability
from merflow.evaluation.classics import (
    Reads,
    classic_comparisons,
    classic_scores,
    classics_of,
    comparable_pairs,
)
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
from merflow.evaluation.predictions import HeldOut, VariantPredictions, variants_of
from merflow.evaluation.side_columns import missing_inputs, none_paper
from merflow.evaluation.side_predictions import side_variants, variants_without
from merflow.evaluation.significance import enough_samples, larger_family
from merflow.evaluation.spread import accuracy, over_seeds, resample
from merflow.evaluation.tested_rows import benchmark_facts_of, facts_of
from merflow.evaluation.text_leak import text_leak


@dataclass(frozen=True)
class PredictionTables:
    """Test predictions of all variants together.

    Attributes:
        test: Rows of :data:`merflow.contracts.tables.PREDICTIONS`; where labels are scores, their counterparts.
        none_paper: The same of the test-selected epochs; None if there are none.
        missing: Rows of :data:`merflow.contracts.tables.MISSING`; None if there are none.
        classics: Test predictions of the classics; None if there are none.
    """

    test: pd.DataFrame
    none_paper: pd.DataFrame | None = None
    missing: pd.DataFrame | None = None
    classics: pd.DataFrame | None = None


@dataclass(frozen=True)
class TrainedVariant:
    """Facts about a variant that its predictions do not contain.

    Attributes:
        training: How it was trained.
        published: The paper's own figures; empty if the paper reports none.
        chosen: Chosen epochs by fold and seed.
    """

    training: Training
    published: tuple[PublishedFigure, ...] = ()
    chosen: Mapping[tuple[int, int], ChosenEpoch] = field(default_factory=dict)


def summarize(
    tables: PredictionTables,
    held_out: HeldOut,
    *,
    trained: Mapping[str, TrainedVariant],
    params: EvaluationParams,
    baselines: Mapping[str, Baseline] | None = None,
    classics: Sequence[ClassicRecord] = (),
) -> Results:
    """Compute the results of a benchmark.

    Args:
        tables: Predictions of all variants.
        held_out: Data that the variants were tested on.
        trained: Facts per variant.
        params: Settings of the bootstrap and the calibration error.
        baselines: Baselines on the same folds, by name.
        classics: Facts about the classics in ``tables``.

    Raises:
        EvaluationError: Rows are missing, duplicated or malformed, variants were tested on different utterances, a
            variant has no facts, or a baseline lacks an utterance.
    """
    variants = variants_of(tables.test, held_out)
    check_facts(variants, trained)
    classes = held_out.classes
    groups = 1 + max(int(variant.dialogues.max()) for variant in variants.values())
    first = next(iter(variants.values()))
    classics_tested = classics_of(classics, tables.classics, held_out, like=first)
    reads = {name: reads_of(trained[name].training) for name in variants}
    family = larger_family(variants=len(variants), classic_pairs=len(comparable_pairs(classics_tested, reads)))
    samples = enough_samples(params.bootstrap_samples, comparisons=family)
    sizes = {"groups": groups, "classes": len(classes)}
    draws = {"samples": samples, "seed": params.bootstrap_seed, **sizes}
    few_draws = {"samples": params.bootstrap_samples, "seed": params.bootstrap_seed}
    split = partial(variants_of, held_out=held_out)
    test_selected = side_variants(tables.none_paper, split, honest=variants)
    without = variants_without(tables.missing, split, honest=variants)
    resampled, resampled_selected = resample(variants, **draws), resample(test_selected, **draws)
    biased = {
        name: none_paper(variants[name], selected, resampled=(resampled[name], resampled_selected[name]), **sizes)
        for name, selected in test_selected.items()
    }
    groups_of = breakdowns(variants, held_out.utterances, classes=classes, **few_draws)
    scores = {
        name: _score(
            _Inputs(variant, resampled[name], trained[name], groups_of[name], biased.get(name), without[name]),
            classes=classes,
            bins=params.calibration_bins,
            dialogues=groups,
        )
        for name, variant in variants.items()
    }
    resampled_classics = resample(classics_tested.predictions, **draws)
    facts = facts_of(held_out, first, dialogues=groups, resamples=samples)
    pairs = comparisons(variants, resampled, groups=groups)
    return Results(
        **facts,
        **benchmark_facts_of(held_out),
        variants=scores,
        comparisons=pairs,
        power=power_of(pairs, utterances=facts["utterances"], dialogues=groups),
        classics=classic_scores(classics_tested, resampled_classics, classes=classes, groups=groups),
        classic_comparisons=classic_comparisons(
            variants,
            classics_tested,
            {**resampled, **resampled_classics},
            reads=reads,
            groups=groups,
        ),
        classes=classes,
        class_counts=tuple(np.bincount(first.labels[first.seeds == first.seeds[0]], minlength=len(classes)).tolist()),
        evaluation=params,
        baselines=baseline_scores(baselines or {}, first, classes=classes, groups=groups, **few_draws),
        text_leak=text_leak(variants, classics_tested, held_out.utterances, **few_draws, **sizes),
    )


def check_facts(variants: Iterable[str], trained: Mapping[str, TrainedVariant]) -> None:
    """Raise if there are no facts about the training of a variant.

    Raises:
        EvaluationError: The message names the variants.
    """
    if unknown := sorted(set(variants) - set(trained)):
        raise EvaluationError(f"no facts about the training of {', '.join(unknown)}; pass those of every variant")


def reads_of(training: Training) -> Reads:
    """Return the input of a variant, which decides the classics that it is compared with."""
    return Reads(training.modalities, training.context, training.transcripts)


@dataclass(frozen=True)
class _Inputs:
    """The inputs for the figures of one variant."""

    variant: VariantPredictions
    resampled: np.ndarray
    trained: TrainedVariant
    breakdowns: Mapping[Breakdown, tuple[Group, ...]]
    none_paper: NonePaper | None
    missing: Mapping[str, VariantPredictions]


def _score(inputs: _Inputs, *, classes: tuple[str, ...], bins: int, dialogues: int) -> Variant:
    variant, size = inputs.variant, len(classes)
    labels, predicted = variant.labels, variant.predicted
    counts = confusion_matrix(labels, predicted, classes=size)
    recalls = recalls_of(counts)
    with_interval = partial(accuracy, variant=variant, classes=size, resampled=inputs.resampled, groups=dialogues)
    return Variant(
        ua=with_interval(unweighted_accuracy_of),
        wa=with_interval(weighted_accuracy_of),
        macro_f1=macro_f1(labels, predicted, classes=size),
        weighted_f1=weighted_f1(labels, predicted, classes=size),
        ece=calibration_error(labels, variant.probabilities, bins=bins),
        reliability=reliability(labels, variant.probabilities, bins=bins),
        per_class_recall={name: _finite(recall) for name, recall in zip(classes, recalls, strict=True)},
        confusion=tuple(map(tuple, counts.tolist())),
        chance=Chance(ua=1 / int((~np.isnan(recalls)).sum()), wa=float(counts.sum(axis=1).max() / counts.sum())),
        breakdowns=inputs.breakdowns,
        folds=_folds(variant, classes=size, bins=bins, chosen=inputs.trained.chosen),
        over_seeds=over_seeds(variant, classes=size),
        none_paper=inputs.none_paper,
        missing=missing_inputs(variant, inputs.missing, classes=size),
        training=inputs.trained.training,
        published=inputs.trained.published,
    )


def _folds(
    variant: VariantPredictions, *, classes: int, bins: int, chosen: Mapping[tuple[int, int], ChosenEpoch]
) -> tuple[FoldScore, ...]:
    rows = []
    for fold, seed in variant.tests:
        test = variant.of_test(fold, seed)
        labels, predicted = variant.labels[test], variant.predicted[test]
        epoch = chosen.get((fold, seed))
        rows.append(
            FoldScore(
                fold=fold,
                seed=seed,
                utterances=int(test.sum()),
                ua=unweighted_accuracy(labels, predicted, classes=classes),
                wa=weighted_accuracy(labels, predicted),
                macro_f1=macro_f1(labels, predicted, classes=classes),
                weighted_f1=weighted_f1(labels, predicted, classes=classes),
                ece=calibration_error(labels, variant.probabilities[test], bins=bins),
                chosen_epoch=None if epoch is None else epoch.epoch,
                dev_ua=None if epoch is None else _finite(epoch.dev_ua),
                dev_loss=None if epoch is None else _finite(epoch.dev_loss),
            )
        )
    return tuple(rows)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None
