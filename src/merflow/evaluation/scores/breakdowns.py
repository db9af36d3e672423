"""Figures of a variant with scores by setting, session, speaker, gender, duration and step of the true score.

Shapes: V variants, G dialogues, B resamples, K sums.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from merflow.contracts.score_figures import ScoreBreakdown, ScoreGroup
from merflow.contracts.task import Regression
from merflow.evaluation.breakdowns import Masks, by_setting, quarters_by_length, values_in
from merflow.evaluation.scores.metrics import defined, metrics_of, steps, sums_of
from merflow.evaluation.scores.predictions import ScorePredictions
from merflow.evaluation.scores.spread import dialogue_sums
from merflow.evaluation.significance import resampled_sums, widened_interval

_MINUS = "\N{MINUS SIGN}"


def score_breakdowns(
    variants: Mapping[str, ScorePredictions],
    utterances: pd.DataFrame,
    *,
    task: Regression,
    samples: int,
    seed: int,
) -> dict[str, dict[ScoreBreakdown, tuple[ScoreGroup, ...]]]:
    """Compute the figures of every group of utterances, per variant and kind of group.

    The interval resamples the group's dialogues, and is widened if there are few of them.

    Args:
        variants: Variants by name, with the same tests.
        utterances: utterance_id; and scripted, session, speaker, gender and duration_s where the corpus has them. An
            utterance whose value is null is in no group.
        task: The scale.
        samples: B.
        seed: Seed of the resamples.
    """
    first = next(iter(variants.values()))
    facts = utterances.set_index("utterance_id").reindex(first.utterance_ids)
    by_kind: dict[ScoreBreakdown, Masks] = {
        "setting": by_setting(facts),
        "session": values_in(facts, "session"),
        "speaker": values_in(facts, "speaker"),
        "gender": values_in(facts, "gender"),
        "length": quarters_by_length(facts),
        "truth": {step_name(step, low=task.low): rows for step, rows in by_step(first.labels, task).items()},
    }
    terms = np.stack([sums_of(first.labels, variant.scores, task) for variant in variants.values()])
    signed = np.stack([variant.scores - variant.labels for variant in variants.values()])
    by_variant: dict[str, dict[ScoreBreakdown, tuple[ScoreGroup, ...]]] = {name: {} for name in variants}
    for kind, masks in by_kind.items():
        rows = [
            _groups(name, first, mask, terms[:, mask], signed[:, mask], task=task, samples=samples, seed=seed)
            for name, mask in masks.items()
        ]
        for position, variant in enumerate(variants):
            groups = (row[position] for row in rows)
            by_variant[variant][kind] = tuple(
                group.model_copy(update={"ccc": None}) if kind == "truth" else group for group in groups
            )
    return by_variant


def by_step(labels: np.ndarray, task: Regression) -> dict[int, np.ndarray]:
    """Return the mask of the labels ``(n,)`` that round to each step which occurs, lowest first."""
    rounded = steps(labels, task)
    return {step: rounded == step for step in np.unique(rounded).tolist()}


def step_name(step: int, *, low: float) -> str:
    """Return a step, with its sign on a scale whose lowest value ``low`` is below 0: ``+1``, ``0``."""
    return f"{step:+d}".replace("-", _MINUS) if step and low < 0 else str(step)


def _groups(
    name: str,
    first: ScorePredictions,
    rows: np.ndarray,
    terms: np.ndarray,
    signed: np.ndarray,
    *,
    task: Regression,
    samples: int,
    seed: int,
) -> list[ScoreGroup]:
    """Compute the figures of one group for each variant, from its terms ``(V, m, K)`` and errors ``(V, m)``."""
    if not rows.any():
        empty = ScoreGroup(group=name, utterances=0, mae=None, ci95=None, mean_error=None, ccc=None)
        return [empty] * len(terms)
    _, dialogues = np.unique(first.dialogues[rows], return_inverse=True)
    groups = int(dialogues.max()) + 1
    sums = np.stack([dialogue_sums(own, dialogues, groups=groups) for own in terms])  # (V, G, K)
    metrics = metrics_of(task)
    drawn = metrics["MAE"](resampled_sums(sums, samples=samples, seed=seed))  # (V, B)
    pooled = sums.sum(axis=1)
    return [
        ScoreGroup(
            group=name,
            utterances=len(set(first.utterance_ids[rows].tolist())),
            mae=defined(mae),
            ci95=widened_interval(values, groups=groups),
            mean_error=float(errors.mean()),
            ccc=defined(ccc),
        )
        for mae, ccc, values, errors in zip(metrics["MAE"](pooled), metrics["CCC"](pooled), drawn, signed, strict=True)
    ]
