"""Comparisons of every pair of variants with scores, by MAE and by CCC.

The two sources of chance are kept apart as for emotions (:mod:`merflow.evaluation.comparisons`): ``ci95`` and
``p_bootstrap`` are about the choice of test dialogues, ``over_seeds`` about the choice of seed.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.comparisons import ALPHA
from merflow.contracts.params import EvaluationParams
from merflow.contracts.score_results import (
    ComparedScoreRuns,
    ComparedScoreVariant,
    MaeOfSeed,
    MaeOverSeeds,
    ScoreComparison,
    ScorePower,
)
from merflow.contracts.task import Regression
from merflow.evaluation.classics import Classics, Reads, comparable_pairs
from merflow.evaluation.comparisons import ComparedOrigin
from merflow.evaluation.power import POWER, detectable
from merflow.evaluation.scores.classics import compared_with_classics, figures_of_classics, score_classics_of
from merflow.evaluation.scores.differences import differences
from merflow.evaluation.scores.metrics import metrics_of, sums_of
from merflow.evaluation.scores.predictions import HeldOutScores, ScorePredictions, score_variants
from merflow.evaluation.scores.spread import measured, over_seeds, resample_scores
from merflow.evaluation.significance import enough_samples, larger_family, student_interval
from merflow.evaluation.tested_rows import facts_of


def compare_scores(
    predictions: pd.DataFrame,
    held_out: HeldOutScores,
    *,
    runs: Sequence[str],
    origins: Mapping[str, ComparedOrigin],
    params: EvaluationParams,
    classics: tuple[Sequence[ClassicRecord], pd.DataFrame | None] = ((), None),
    reads: Mapping[str, Reads] | None = None,
) -> ComparedScoreRuns:
    """Compare the variants of several runs on the same tests.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.SCORE_PREDICTIONS`, under names that tell the variants
            apart.
        held_out: Data that the variants were tested on.
        runs: Folders of the runs.
        origins: The origin of each variant.
        params: Number of resamples and their seed.
        classics: Facts and predictions of the classics on the same splits.
        reads: Input per variant; needed with classics only.

    Raises:
        EvaluationError: Rows are missing, duplicated or malformed, or variants were tested on different utterances.
    """
    variants = score_variants(predictions, held_out)
    task, first = held_out.task, next(iter(variants.values()))
    groups = int(first.dialogues.max()) + 1
    tested = score_classics_of(*classics, held_out, like=first)
    classic_pairs = comparable_pairs(tested, reads or {})
    family = larger_family(variants=len(variants), classic_pairs=len(classic_pairs))
    samples = enough_samples(params.bootstrap_samples, comparisons=family)
    draws = {"samples": samples, "seed": params.bootstrap_seed, "groups": groups}
    resampled = resample_scores(variants, task=task, **draws)
    return ComparedScoreRuns(
        task=task.name,
        low=task.low,
        high=task.high,
        **facts_of(held_out, first, dialogues=groups, resamples=samples),
        variants={
            name: ComparedScoreVariant(
                figures=measured(variant, task=task, groups=groups, resampled=resampled[name]),
                **origins[name]._asdict(),
            )
            for name, variant in variants.items()
        },
        **comparison_facts(variants, resampled, tested, classic_pairs, task=task, draws=draws),
        runs=tuple(runs),
    )


def comparison_facts(
    variants: Mapping[str, ScorePredictions],
    resampled: Mapping[str, np.ndarray],
    tested: Classics[ScorePredictions],
    classic_pairs: Sequence[tuple[str, str]],
    *,
    task: Regression,
    draws: Mapping[str, int],
) -> dict[str, Any]:
    """Return the comparisons of variants with each other and with classics, as fields of the results, by name.

    Args:
        variants: Variants by name, with the same tests.
        resampled: Sums ``(B, K)`` per variant, drawn with the same dialogues.
        tested: Classics with the same tests.
        classic_pairs: Pairs of a variant and a classic to compare.
        task: The scale.
        draws: Arguments of :func:`merflow.evaluation.scores.spread.resample_scores`, as for the variants.
    """
    groups = draws["groups"]
    resampled_classics = resample_scores(tested.predictions, task=task, **draws)
    pairs = score_comparisons(variants, resampled, task=task, groups=groups)
    return {
        "comparisons": pairs,
        "power": score_power(pairs),
        "classics": figures_of_classics(tested, resampled_classics, task=task, groups=groups),
        "classic_comparisons": compared_with_classics(
            classic_pairs,
            {**variants, **tested.predictions},
            {**resampled, **resampled_classics},
            task=task,
            groups=groups,
        ),
    }


def score_comparisons(
    variants: Mapping[str, ScorePredictions],
    resampled: Mapping[str, np.ndarray],
    *,
    task: Regression,
    groups: int,
) -> tuple[ScoreComparison, ...]:
    """Compare every pair once, with the lower pooled MAE as ``a``; the pairs of the best variant come first.

    Args:
        variants: Variants by name, with the same tests.
        resampled: Sums ``(B, K)`` per variant, drawn with the same dialogues.
        task: The scale.
        groups: Number of dialogues.
    """
    pooled = {name: sums_of(each.labels, each.scores, task).sum(axis=0) for name, each in variants.items()}
    metrics = metrics_of(task)
    order = sorted(variants, key=lambda name: (float(metrics["MAE"](pooled[name])), name))
    pairs = list(combinations(order, 2))
    of_mae, of_ccc = (
        differences(metrics[figure], pairs, pooled, resampled, groups=groups) for figure in ("MAE", "CCC")
    )
    assert of_mae is not None, "an MAE is defined for any predictions"
    return tuple(
        ScoreComparison(
            a=a,
            b=b,
            mae=of_mae[place],
            ccc=None if of_ccc is None else of_ccc[place],
            over_seeds=mae_over_seeds(variants[a], variants[b], task=task),
        )
        for place, (a, b) in enumerate(pairs)
    )


def score_power(comparisons: Sequence[ScoreComparison]) -> ScorePower:
    """Compute the MAE differences that this test set can show; see :mod:`merflow.evaluation.power`."""
    errors = [pair.mae.standard_error for pair in comparisons if pair.mae.standard_error is not None]
    typical = median(errors) if errors else None
    strict = ALPHA / max(len(comparisons), 1)
    return ScorePower(
        alpha=ALPHA,
        power=POWER,
        standard_error=typical,
        detectable_mae=None if typical is None else detectable(typical, alpha=ALPHA, power=POWER),
        detectable_mae_holm=None if typical is None else detectable(typical, alpha=strict, power=POWER),
    )


def mae_over_seeds(a: ScorePredictions, b: ScorePredictions, *, task: Regression) -> MaeOverSeeds | None:
    """Compute the MAE difference of each seed, a minus b, its mean, deviation and interval; None for one seed.

    Both variants have the same seeds.
    """
    each = list(zip(*(over_seeds(variant, task=task).each for variant in (a, b)), strict=True))
    if len(each) < 2:
        return None
    deltas = np.array([of_a.mae - of_b.mae for of_a, of_b in each])
    return MaeOverSeeds(
        mean=float(deltas.mean()),
        std=float(deltas.std(ddof=1)),
        ci95=student_interval(deltas),
        each=tuple(
            MaeOfSeed(seed=of_a.seed, delta=float(delta)) for (of_a, _), delta in zip(each, deltas, strict=True)
        ),
    )
