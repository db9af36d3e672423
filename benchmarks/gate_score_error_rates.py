"""Error rates of the gate on scores, by simulation: two made-up models with a known true difference in MAE, many times.

The table says how often the gate promotes or refuses, beside what its policy states::

    python -m benchmarks.gate_score_error_rates
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from benchmarks.gate_error_rates import Case, group_refusal_rate, measure, named, promotion_rate
from benchmarks.gate_score_worlds import TASK, ScoreWorld
from merflow.promotion.gate.gate import policy_of

# Situation -> the test set that makes it hard to keep the level.
_WORLDS = {
    "": ScoreWorld(),
    "unequal dialogues": ScoreWorld(unequal=1.0),
    "some errors very large": ScoreWorld(heavy=True),
    "some errors very large, unequal dialogues": ScoreWorld(heavy=True, unequal=1.0),
    "95% of the answers alike": ScoreWorld(alike=0.95),
    "3 seeds": ScoreWorld(seeds=3),
}


def cases(trials: int) -> Iterator[Case]:
    """Yield the cases; those that show power, and those of groups, have fewer trials."""
    superior, groups = policy_of().accuracy, policy_of().groups
    inferior = superior.model_copy(update={"require": "non-inferior", "margin_mae": 0.005})
    margin, width = inferior.margin_mae * (TASK.high - TASK.low), TASK.high - TASK.low
    level, power, few = f"promoted ≤ {superior.level:g}", "promoted (power)", trials // 5
    for dialogues in (20, 40, 150):
        for words, world in _WORLDS.items():
            truth, size = named(world, words, dialogues=dialogues)
            equal = partial(promotion_rate, truth, superior)
            yield Case(f"superior, equal models, {size}", level, equal, trials)
            if world.alike:
                continue
            worse = partial(promotion_rate, replace(truth, gain=-margin), inferior)
            yield Case(f"non-inferior, worse by the margin of {margin:g}, {size}", level, worse, trials)
            better = partial(promotion_rate, replace(truth, gain=0.05), superior)
            yield Case(f"superior, better by 0.05, {size}", power, better, few)
    proof = groups.model_copy(update={"refuse": "not-shown-equal", "margin_mae": 0.025, "level": 0.025})
    for dialogues in (40, 150):
        rate, size = partial(group_refusal_rate, ScoreWorld(dialogues), groups), f"{dialogues} dialogues"
        stated = f"any refused ≤ {groups.level:g}"
        yield Case(f"shown-worse, all groups equal, {size}", stated, rate, trials // 10)
        for grouping, value in (("session", "1"), ("gender", "F"), ("third", "high")):
            group, asked = f"{grouping} {value}", proof.model_copy(update={"by": [grouping]})
            worse_there = ScoreWorld(dialogues, group=group, gain=-proof.margin_mae * width)
            rate = partial(group_refusal_rate, worse_there, asked, only=group)
            situation = f"not-shown-equal, {group} worse by the margin of {proof.margin_mae * width:g}, {size}"
            yield Case(situation, f"refused ≥ {1 - proof.level:g}", rate, trials // 10)


if __name__ == "__main__":
    measure("gate_score_error_rates", cases, about=__doc__)
