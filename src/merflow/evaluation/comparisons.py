"""Comparisons of every pair of variants.

Two sources of chance are kept apart. ``ci95`` and ``p_bootstrap`` are about the choice of test dialogues, given the
trained models: a resampled dialogue includes its predictions from all seeds, so that several seeds of one utterance
never count as several utterances. ``over_seeds`` is about the choice of seed, given these dialogues: the folds of each
seed are pooled, and the interval is Student's over the seeds. Believe a difference only if both intervals exclude zero.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.comparisons import Comparison, DifferenceOverSeeds, SeedDifference
from merflow.contracts.params import EvaluationParams
from merflow.contracts.regime import Regime
from merflow.contracts.results import ComparedRuns, ComparedVariant
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Role
from merflow.evaluation.classics import Reads, classic_comparisons, classic_scores, classics_of, comparable_pairs
from merflow.evaluation.metrics import unweighted_accuracy, unweighted_accuracy_of, weighted_accuracy_of
from merflow.evaluation.power import power_of
from merflow.evaluation.predictions import HeldOut, VariantPredictions, variants_of
from merflow.evaluation.significance import (
    PairedDifference,
    enough_samples,
    holm,
    larger_family,
    mcnemar,
    paired_difference,
    student_interval,
)
from merflow.evaluation.spread import accuracy, counts_of, resample
from merflow.evaluation.tested_rows import facts_of


class ComparedOrigin(NamedTuple):
    """The origin of a compared variant; see :class:`merflow.contracts.results.VariantOfRun`."""

    run: str
    selection: Selection
    regime: Regime
    encoders: Mapping[Role, str]


def compare_variants(
    predictions: pd.DataFrame,
    held_out: HeldOut,
    *,
    runs: Sequence[str],
    origins: Mapping[str, ComparedOrigin],
    params: EvaluationParams,
    classics: tuple[Sequence[ClassicRecord], pd.DataFrame | None] = ((), None),
    reads: Mapping[str, Reads] | None = None,
) -> ComparedRuns:
    """Compare the variants of several runs on the same tests.

    Args:
        predictions: Rows of :data:`merflow.contracts.tables.PREDICTIONS`, under names that tell the variants apart.
        held_out: Data that the variants were tested on.
        runs: Folders of the runs.
        origins: The origin of each variant.
        params: Number of resamples and their seed.
        classics: Facts and predictions of the classics on the same splits.
        reads: Input per variant; needed with classics only.

    Raises:
        EvaluationError: Rows are missing, duplicated or malformed, or variants were tested on different utterances.
    """
    variants = variants_of(predictions, held_out)
    first = next(iter(variants.values()))
    groups = int(first.dialogues.max()) + 1
    tested = classics_of(*classics, held_out, like=first)
    family = larger_family(variants=len(variants), classic_pairs=len(comparable_pairs(tested, reads or {})))
    samples = enough_samples(params.bootstrap_samples, comparisons=family)
    sizes = {"groups": groups, "classes": len(held_out.classes)}
    resampled = resample(variants, samples=samples, seed=params.bootstrap_seed, **sizes)
    resampled_classics = resample(tested.predictions, samples=samples, seed=params.bootstrap_seed, **sizes)
    pairs = comparisons(variants, resampled, groups=groups)
    facts = facts_of(held_out, first, dialogues=groups, resamples=samples)
    return ComparedRuns(
        **facts,
        variants={
            name: ComparedVariant(
                ua=accuracy(unweighted_accuracy_of, variant, resampled=resampled[name], **sizes),
                wa=accuracy(weighted_accuracy_of, variant, resampled=resampled[name], **sizes),
                **origins[name]._asdict(),
            )
            for name, variant in variants.items()
        },
        comparisons=pairs,
        power=power_of(pairs, utterances=facts["utterances"], dialogues=groups),
        runs=tuple(runs),
        classics=classic_scores(tested, resampled_classics, classes=held_out.classes, groups=groups),
        classic_comparisons=classic_comparisons(
            variants, tested, {**resampled, **resampled_classics}, reads=reads or {}, groups=groups
        ),
    )


def comparisons(
    variants: Mapping[str, VariantPredictions], resampled: Mapping[str, np.ndarray], *, groups: int
) -> tuple[Comparison, ...]:
    """Compare every pair once, with the higher pooled UA as ``a``; the pairs of the best variant come first.

    Args:
        variants: Variants by name, with the same tests.
        resampled: Confusion counts ``(B, C, C)`` per variant, drawn with the same dialogues.
        groups: Number of dialogues.
    """
    classes = next(iter(resampled.values())).shape[-1]
    pooled = {name: unweighted_accuracy(v.labels, v.predicted, classes=classes) for name, v in variants.items()}
    figures = {name: unweighted_accuracy_of(counts) for name, counts in resampled.items()}
    utterances, _ = pd.factorize(next(iter(variants.values())).utterance_ids)
    right = {name: variant.predicted == variant.labels for name, variant in variants.items()}
    pairs = list(combinations(sorted(variants, key=lambda name: (-pooled[name], name)), 2))
    differences: list[PairedDifference] = [paired_difference(figures[a], figures[b], groups=groups) for a, b in pairs]
    p_bootstrap = [difference.p_value for difference in differences]
    p_mcnemar = [mcnemar(right[a], right[b], utterances=utterances) for a, b in pairs]
    adjusted = zip(p_bootstrap, holm(p_bootstrap), p_mcnemar, holm(p_mcnemar), strict=True)
    return tuple(
        Comparison(
            a=a,
            b=b,
            delta_ua=pooled[a] - pooled[b],
            ci95=difference.interval,
            standard_error=difference.standard_error,
            p_bootstrap=bootstrap,
            p_holm=bootstrap_holm,
            p_mcnemar=mcnemars,
            p_mcnemar_holm=mcnemars_holm,
            over_seeds=difference_over_seeds(variants[a], variants[b], classes=classes),
        )
        for (a, b), difference, (bootstrap, bootstrap_holm, mcnemars, mcnemars_holm) in zip(
            pairs, differences, adjusted, strict=True
        )
    )


def difference_over_seeds(a: VariantPredictions, b: VariantPredictions, *, classes: int) -> DifferenceOverSeeds | None:
    """Compute the UA difference of each seed, and its mean, deviation and interval; None for one seed.

    Both variants have the same seeds.
    """
    seeds = sorted(set(a.seeds.tolist()))
    if len(seeds) < 2:
        return None
    counts = [np.stack([counts_of(v, v.seeds == seed, classes=classes) for seed in seeds]) for v in (a, b)]
    differences = unweighted_accuracy_of(counts[0]) - unweighted_accuracy_of(counts[1])
    return DifferenceOverSeeds(
        mean=float(differences.mean()),
        std=float(differences.std(ddof=1)),
        ci95=student_interval(differences),
        each=tuple(
            SeedDifference(seed=seed, delta_ua=float(value)) for seed, value in zip(seeds, differences, strict=True)
        ),
    )
