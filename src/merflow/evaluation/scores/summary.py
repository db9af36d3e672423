"""From prediction tables of scores to results; :mod:`merflow.evaluation.summary` does the same for emotions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.params import EvaluationParams
from merflow.contracts.score_figures import (
    Figure,
    FigureName,
    FoldFigures,
    MissingFigures,
    NonePaperFigures,
    ScoreBreakdown,
    ScoreGroup,
    ScoreVariant,
)
from merflow.contracts.score_results import ScoreResults
from merflow.contracts.scores import Bias
from merflow.contracts.task import Regression
from merflow.evaluation.classics import comparable_pairs
from merflow.evaluation.scores.breakdowns import score_breakdowns
from merflow.evaluation.scores.classics import score_classics_of
from merflow.evaluation.scores.comparisons import comparison_facts
from merflow.evaluation.scores.distributions import cells, error_bins, residuals, truth_of
from merflow.evaluation.scores.floors import floors
from merflow.evaluation.scores.metrics import defined, metrics_of
from merflow.evaluation.scores.predictions import HeldOutScores, ScorePredictions, score_variants
from merflow.evaluation.scores.spread import measured, of_rows, over_seeds, resample_scores
from merflow.evaluation.side_predictions import side_variants, variants_without
from merflow.evaluation.significance import enough_samples, larger_family, paired_difference
from merflow.evaluation.summary import PredictionTables, TrainedVariant, check_facts, reads_of
from merflow.evaluation.tested_rows import benchmark_facts_of, facts_of


def summarize_scores(
    tables: PredictionTables,
    held_out: HeldOutScores,
    *,
    trained: Mapping[str, TrainedVariant],
    training_labels: Mapping[int, np.ndarray],
    params: EvaluationParams,
    classics: Sequence[ClassicRecord] = (),
) -> ScoreResults:
    """Compute the results of a benchmark whose labels are scores.

    Args:
        tables: Predictions of all variants, rows of :data:`merflow.contracts.tables.SCORE_PREDICTIONS` and
            :data:`merflow.contracts.tables.SCORE_MISSING`.
        held_out: Data that the variants were tested on.
        trained: Facts per variant.
        training_labels: Labels of each fold's training part, for the floors.
        params: Settings of the bootstrap.
        classics: Facts about the classics in ``tables``.

    Raises:
        EvaluationError: Rows are missing, duplicated or malformed, variants were tested on different utterances, a
            variant has no facts, or a fold no training labels.
    """
    variants = score_variants(tables.test, held_out)
    check_facts(variants, trained)
    task, first = held_out.task, next(iter(variants.values()))
    groups = int(first.dialogues.max()) + 1
    tested = score_classics_of(classics, tables.classics, held_out, like=first)
    classic_pairs = comparable_pairs(tested, {name: reads_of(trained[name].training) for name in variants})
    samples = enough_samples(
        params.bootstrap_samples, comparisons=larger_family(variants=len(variants), classic_pairs=len(classic_pairs))
    )
    few_draws = {"samples": params.bootstrap_samples, "seed": params.bootstrap_seed}
    draws = {"samples": samples, "seed": params.bootstrap_seed, "groups": groups}
    resampled = resample_scores(variants, task=task, **draws)
    split = partial(score_variants, held_out=held_out)
    test_selected = side_variants(tables.none_paper, split, honest=variants)
    resampled_selected = resample_scores(test_selected, task=task, **draws)
    without = variants_without(tables.missing, split, honest=variants)
    groups_of = score_breakdowns(variants, held_out.utterances, task=task, **few_draws)
    scored = {}
    for name, variant in variants.items():
        figures = measured(variant, task=task, groups=groups, resampled=resampled[name])
        selected = None
        if name in test_selected:
            pair = resampled[name], resampled_selected[name]
            selected = _none_paper(figures, test_selected[name], resampled=pair, task=task, groups=groups)
        scored[name] = _variant(
            _Inputs(variant, figures, trained[name], groups_of[name], selected, without[name]), task=task, groups=groups
        )
    return ScoreResults(
        task=task.name,
        low=task.low,
        high=task.high,
        **facts_of(held_out, first, dialogues=groups, resamples=samples),
        **benchmark_facts_of(held_out),
        evaluation=params,
        truth=truth_of(first, task=task),
        variants=scored,
        **comparison_facts(variants, resampled, tested, classic_pairs, task=task, draws=draws),
        floors=floors(training_labels, first, task=task, groups=groups, **few_draws),
    )


@dataclass(frozen=True)
class _Inputs:
    """Everything that the figures of one variant are computed from."""

    variant: ScorePredictions
    figures: Mapping[FigureName, Figure]
    trained: TrainedVariant
    breakdowns: Mapping[ScoreBreakdown, tuple[ScoreGroup, ...]]
    none_paper: NonePaperFigures | None
    missing: Mapping[str, ScorePredictions]


def _variant(inputs: _Inputs, *, task: Regression, groups: int) -> ScoreVariant:
    variant = inputs.variant
    scored = ScoreVariant(
        figures=inputs.figures,
        cells=cells(variant),
        residuals=residuals(variant, task=task),
        errors=error_bins(variant, task=task),
        breakdowns=inputs.breakdowns,
        folds=_folds(variant, task=task, chosen=inputs.trained.chosen),
        over_seeds=over_seeds(variant, task=task),
        none_paper=inputs.none_paper,
        missing={},
        training=inputs.trained.training,
        published=inputs.trained.published,
    )
    missing = {}
    for name, without in inputs.missing.items():
        figures = measured(without, task=task, groups=groups)
        missing[name] = MissingFigures(figures=figures, delta_mae=_pooled(figures, "MAE") - scored.mae)
    return scored.model_copy(update={"missing": missing})


def _none_paper(
    honest: Mapping[FigureName, Figure],
    selected: ScorePredictions,
    *,
    resampled: tuple[np.ndarray, np.ndarray],
    task: Regression,
    groups: int,
) -> NonePaperFigures:
    """Compute the figures of test-selected epochs and their bias.

    Args:
        honest: Figures of the epochs that were chosen on development data.
        selected: Predictions of the epochs that were chosen on test data.
        resampled: Sums ``(B, K)`` of honest and selected predictions, drawn with the same dialogues.
        task: The scale.
        groups: Number of dialogues.
    """
    figures = measured(selected, task=task, groups=groups, resampled=resampled[1])
    metrics = metrics_of(task)
    biases: dict[str, Bias | None] = {}
    for name in ("MAE", "CCC"):
        drawn_honest, drawn_selected = (metrics[name](sums) for sums in resampled)
        a, b = figures[name].pooled, honest[name].pooled
        if a is None or b is None or not np.isfinite([drawn_honest, drawn_selected]).all():
            biases[name] = None
        else:
            difference = paired_difference(drawn_selected, drawn_honest, groups=groups)
            biases[name] = Bias(pooled=a - b, ci95=difference.interval)
    bias_mae = biases["MAE"]
    assert bias_mae is not None, "an MAE is defined for any predictions"
    return NonePaperFigures(figures=figures, bias_mae=bias_mae, bias_ccc=biases["CCC"])


def _folds(
    variant: ScorePredictions, *, task: Regression, chosen: Mapping[tuple[int, int], ChosenEpoch]
) -> tuple[FoldFigures, ...]:
    rows = []
    for fold, seed in variant.tests:
        tested = variant.of_test(fold, seed)
        epoch = chosen.get((fold, seed))
        rows.append(
            FoldFigures(
                fold=fold,
                seed=seed,
                utterances=int(tested.sum()),
                values=of_rows(variant, tested, task=task),
                chosen_epoch=None if epoch is None else epoch.epoch,
                dev_mae=None if epoch is None else _finite(epoch.dev_mae),
                dev_ccc=None if epoch is None else _finite(epoch.dev_ccc),
                dev_loss=None if epoch is None else _finite(epoch.dev_loss),
            )
        )
    return tuple(rows)


def _finite(value: float | None) -> float | None:
    return None if value is None else defined(value)


def _pooled(figures: Mapping[FigureName, Figure], name: FigureName) -> float:
    pooled = figures[name].pooled
    assert pooled is not None, f"{name} is defined for any predictions"
    return pooled
