"""Checks that no emotion, gender, session or speaker pays for a better average."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import Grouping, GroupPolicy
from merflow.contracts.numerals import percent, plural, signed, signed_interval
from merflow.evaluation.predictions import VariantPredictions
from merflow.promotion.gate.pairing import Difference, paired_difference_of

# Rows of the candidate and of the champion that belong to a group.
Rows = tuple[np.ndarray, np.ndarray]


def groups_of(
    candidate: VariantPredictions,
    champion: VariantPredictions,
    utterances: pd.DataFrame,
    *,
    classes: tuple[str, ...],
    by: list[Grouping],
) -> dict[str, Rows]:
    """Return the rows of every group that has any, by name, such as ``emotion angry``."""
    found: dict[str, Rows] = {}
    facts = utterances.drop_duplicates("utterance_id").set_index("utterance_id")
    for grouping in by:
        sides = [_values(variant, facts, grouping, classes=classes) for variant in (candidate, champion)]
        for value in sorted(set(sides[0].dropna())):
            ours, theirs = ((side == value).fillna(False).to_numpy(dtype=bool) for side in sides)
            found[f"{grouping} {value}"] = (ours, theirs)
    return found


def group_checks(
    candidate: VariantPredictions,
    champion: VariantPredictions,
    utterances: pd.DataFrame,
    *,
    classes: tuple[str, ...],
    policy: GroupPolicy,
) -> Iterator[Check]:
    """Yield one check per group, and one per grouping that the corpus does not know."""
    groups = groups_of(candidate, champion, utterances, classes=classes, by=policy.by)
    for grouping in policy.by:
        if not any(name.startswith(f"{grouping} ") for name in groups):
            yield Check(name=grouping, passed=True, sentence=f"Not compared: the corpus does not know {grouping}.")
    tail = tail_of(policy, groups=len(groups))
    for name, rows in groups.items():
        found = paired_difference_of(candidate, champion, rows, classes=len(classes), tail=tail)
        yield _check(name, found, policy=policy, groups=len(groups))


def tail_of(policy: GroupPolicy, *, groups: int) -> float:
    """Return the tail of each group's interval.

    With ``shown-worse``, any one group refuses, so the level is split among them (Bonferroni's inequality): the
    probability that chance refuses any of them is at most the level. With ``not-shown-equal``, all groups must pass,
    so each is tested at the whole level, and a group that is worse by the margin passes with at most that probability.
    """
    return policy.level / max(groups, 1) if policy.refuse == "shown-worse" else policy.level


def refuses(found: Difference, *, policy: GroupPolicy) -> bool:
    """Return True if this difference refuses the candidate."""
    if policy.refuse == "not-shown-equal":
        return found.interval is None or found.interval[0] <= -policy.margin
    return found.interval is not None and found.interval[1] < 0 and found.delta < -policy.margin


def _values(
    variant: VariantPredictions, facts: pd.DataFrame, grouping: Grouping, *, classes: tuple[str, ...]
) -> pd.Series:
    """Return the group of each row as text; null where it is unknown."""
    if grouping == "emotion":
        return pd.Series(np.array(classes, dtype=object)[variant.labels], dtype="string")
    if grouping not in facts:
        return pd.Series([pd.NA] * len(variant.labels), dtype="string")
    return facts[grouping].reindex(variant.utterance_ids).astype("string").reset_index(drop=True)


def _check(name: str, found: Difference, *, policy: GroupPolicy, groups: int) -> Check:
    passed = not refuses(found, policy=policy)
    figure = "Recall" if name.startswith("emotion ") else "UA"
    tested = f"{plural(found.utterances, 'utterance')} in {plural(found.dialogues, 'dialogue')}"
    if found.interval is None:
        outcome = "too few dialogues, or too rare classes, for an interval"
    else:
        outcome = f"interval {signed_interval(found.interval)}"
    share = f", {100 * policy.level:.3g}% split among {groups} groups" if policy.refuse == "shown-worse" else ""
    rule = {
        "shown-worse": f"refused if worse by more than {percent(policy.margin)} with an upper bound below 0{share}",
        "not-shown-equal": f"refused unless the lower bound is above {signed(-policy.margin)}",
    }[policy.refuse]
    return Check(
        name=name,
        passed=passed,
        measured=found.delta,
        limit=-policy.margin,
        interval=found.interval,
        unit="points",
        sentence=f"{figure} is {signed(found.delta)} points against the champion ({outcome}) on {tested}; {rule}.",
        remedy="" if passed else _remedy(found),
    )


def _remedy(found: Difference) -> str:
    if found.interval is None:
        return "Test on more dialogues, or choose groups.refuse: shown-worse"
    return "Look at this group's confusion matrix on the card, and train with more or better weighted data of it"
