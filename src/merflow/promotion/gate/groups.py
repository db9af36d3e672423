"""Checks that a better average comes at no group's expense: emotion, third of a scale, gender, session or speaker."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from merflow.contracts.gate_decision import Check
from merflow.contracts.gate_policy import BY_LABEL, Grouping, GroupPolicy
from merflow.contracts.numerals import plural
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.figures import Figure
from merflow.promotion.gate.pairing import Difference, paired_difference_of

# Rows of the candidate and of the champion that belong to a group.
Rows = tuple[np.ndarray, np.ndarray]


def groups_of(
    candidate: AlignedRows,
    champion: AlignedRows,
    utterances: pd.DataFrame,
    *,
    figure: Figure,
    by: list[Grouping],
) -> dict[str, Rows]:
    """Return the rows of every group that is not empty, by name, such as ``emotion angry``.

    Groupings by the labels of another task are left out.
    """
    found: dict[str, Rows] = {}
    facts = utterances.drop_duplicates("utterance_id").set_index("utterance_id")
    for grouping in by:
        if grouping in BY_LABEL and grouping != figure.grouping:
            continue
        sides = [_values(variant, facts, grouping, figure=figure) for variant in (candidate, champion)]
        for value in sorted(set(sides[0].dropna())):
            ours, theirs = ((side == value).fillna(False).to_numpy(dtype=bool) for side in sides)
            found[f"{grouping} {value}"] = (ours, theirs)
    return found


def group_checks(
    candidate: AlignedRows,
    champion: AlignedRows,
    utterances: pd.DataFrame,
    *,
    figure: Figure,
    policy: GroupPolicy,
) -> Iterator[Check]:
    """Yield one check per group, and one per grouping that the corpus lacks."""
    groups = groups_of(candidate, champion, utterances, figure=figure, by=policy.by)
    for grouping in policy.by:
        if grouping in BY_LABEL and grouping != figure.grouping:
            continue
        if not any(name.startswith(f"{grouping} ") for name in groups):
            yield Check(name=grouping, passed=True, sentence=f"Not compared: the corpus does not know {grouping}.")
    tail = tail_of(policy, groups=len(groups))
    for name, rows in groups.items():
        found = paired_difference_of(candidate, champion, rows, figure=figure, tail=tail)
        yield _check(name, found, figure=figure, policy=policy, groups=len(groups))


def tail_of(policy: GroupPolicy, *, groups: int) -> float:
    """Return the tail of each group's interval.

    With ``shown-worse``, a single group is enough for a refusal, so the level is split among them (Bonferroni's
    inequality): the probability that any group fails by chance is at most the level. With ``not-shown-equal``, all
    groups must pass, so each is tested at the whole level, and a group that is worse by the margin passes with at most
    that probability.
    """
    return policy.level / max(groups, 1) if policy.refuse == "shown-worse" else policy.level


def refuses(found: Difference, *, figure: Figure, policy: GroupPolicy) -> bool:
    """Return True if the candidate is refused because of this difference."""
    if policy.refuse == "not-shown-equal":
        return found.interval is None or found.interval[0] <= -figure.margin(policy)
    return found.interval is not None and found.interval[1] < 0 and found.delta < -figure.margin(policy)


def _values(variant: AlignedRows, facts: pd.DataFrame, grouping: Grouping, *, figure: Figure) -> pd.Series:
    """Return the group of each row as text; null if it is unknown."""
    if grouping == figure.grouping:
        return pd.Series(figure.label_groups(variant), dtype="string")
    if grouping not in facts:
        return pd.Series([pd.NA] * len(variant.labels), dtype="string")
    return facts[grouping].reindex(variant.utterance_ids).astype("string").reset_index(drop=True)


def _check(name: str, found: Difference, *, figure: Figure, policy: GroupPolicy, groups: int) -> Check:
    passed, margin = not refuses(found, figure=figure, policy=policy), figure.margin(policy)
    tested = f"{plural(found.utterances, 'utterance')} in {plural(found.dialogues, 'dialogue')}"
    if found.interval is None:
        outcome = "too few dialogues, or too rare labels, for an interval"
    else:
        outcome = f"interval {figure.signed_interval(found.interval)}"
    share = f", {100 * policy.level:.3g}% split among {groups} groups" if policy.refuse == "shown-worse" else ""
    rule = {
        "shown-worse": f"refused if worse by more than {figure.amount(margin)} with an upper bound below 0{share}",
        "not-shown-equal": f"refused unless the lower bound is above {figure.signed(-margin)}",
    }[policy.refuse]
    return Check(
        name=name,
        passed=passed,
        measured=found.delta,
        limit=-margin,
        interval=found.interval,
        unit=figure.unit,
        sentence=f"{figure.compared(found.delta, group=name)} ({outcome}) on {tested}; {rule}.",
        remedy="" if passed else _remedy(found, figure=figure),
    )


def _remedy(found: Difference, *, figure: Figure) -> str:
    if found.interval is None:
        return "Test on more dialogues, or choose groups.refuse: shown-worse"
    return f"Look at this group's {figure.look_at} on the card, and train with more or better weighted data of it"
