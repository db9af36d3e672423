"""Error rates of the gate on emotions, by simulation: two made-up models with a known true difference, many times.

The table says how often the gate promotes or refuses, beside what its policy states::

    python -m benchmarks.gate_error_rates
"""

import argparse
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
from scipy.special import betaincinv

from benchmarks.gate_score_worlds import ScoreWorld
from benchmarks.gate_worlds import World
from benchmarks.record import write_result
from merflow.contracts.calibration_record import GroupCoverage
from merflow.contracts.gate_policy import AccuracyPolicy, CalibrationPolicy, GroupPolicy
from merflow.promotion.gate.accuracy import promotes
from merflow.promotion.gate.calibration import coverage_checks
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.gate.groups import group_checks
from merflow.promotion.gate.pairing import paired_difference_of

_GOOD = (4.0, 3.5, 3.0, 3.2)
_RARE = (0.06, 0.14, 0.5, 0.3)
AnyWorld = TypeVar("AnyWorld", World, ScoreWorld)
# Situation -> the test set that makes it hard to keep the level.
_WORLDS = {
    "": World(),
    "unequal dialogues": World(unequal=1.0),
    "dialogues of one or two emotions": World(moods=True),
    "rare emotions in few, unequal dialogues": World(shares=_RARE, unequal=1.0, moods=True),
    "both models right 19 times in 20": World(ease=_GOOD),
    "both right 19 times in 20, rare emotions": World(ease=_GOOD, shares=_RARE),
    "3 seeds": World(seeds=3),
}


def promotion_rate(world: World | ScoreWorld, policy: AccuracyPolicy, *, trials: int, seed: int = 0) -> float:
    """Return the share of trials in which the rule for UA or MAE promotes the candidate."""
    random = np.random.default_rng(seed)
    promoted = 0
    for _ in range(trials):
        candidate, champion = world.draw(random)
        rows = np.full(len(candidate.labels), fill_value=True)
        found = paired_difference_of(candidate, champion, (rows, rows), figure=world.figure, tail=policy.level)
        promoted += promotes(found, figure=world.figure, policy=policy)
    return promoted / trials


def group_refusal_rate(
    world: World | ScoreWorld, policy: GroupPolicy, *, trials: int, only: str = "", seed: int = 0
) -> float:
    """Return the share of trials in which any group refuses the candidate, or one named group does."""
    random = np.random.default_rng(seed)
    refused = 0
    for _ in range(trials):
        candidate, champion = world.draw(random)
        checks = group_checks(candidate, champion, world.utterances, figure=world.figure, policy=policy)
        refused += any(not check.passed for check in checks if only in ("", check.name))
    return refused / trials


def coverage_refusal_rate(
    policy: CalibrationPolicy, *, coverage: float, trials: int, nominal: float = 0.9, seed: int = 0
) -> float:
    """Return the share of trials in which one of three groups of 400 independent utterances refuses the candidate."""
    random = np.random.default_rng(seed)
    refused = 0
    for _ in range(trials):
        drawn = {name: _coverage(random, coverage) for name in ("F", "M", "any")}
        refused += any(not check.passed for check in coverage_checks(drawn, nominal=nominal, policy=policy))
    return refused / trials


def _coverage(random: np.random.Generator, coverage: float, *, utterances: int = 400) -> GroupCoverage:
    share = random.binomial(utterances, coverage) / utterances
    reach = 1.96 * (share * (1 - share) / utterances) ** 0.5
    return GroupCoverage(
        utterances=utterances,
        coverage=share,
        ci95=(share - reach, min(1.0, share + reach)),
        mean_size=1.5,
        answered=0.6,
        accuracy_when_answered=None,
    )


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        situation: What is true of the two models.
        stated: What the policy says about the rate.
        rate: The measured rate.
        trials: Number of made-up pairs.
    """

    situation: str
    stated: str
    rate: float
    trials: int

    @property
    def ci95(self) -> tuple[float, float]:
        """Exact binomial interval of the rate (Clopper and Pearson 1934)."""
        hits = round(self.rate * self.trials)
        low = betaincinv(hits, self.trials - hits + 1, 0.025) if hits else 0.0
        high = betaincinv(hits + 1, self.trials - hits, 0.975) if hits < self.trials else 1.0
        return float(low), float(high)


@dataclass(frozen=True)
class Case:
    """A row that is yet to be measured.

    Attributes:
        situation: What is true of the two models.
        stated: What the policy says about the rate.
        rate: Returns the rate of so many ``trials`` with this ``seed``.
        trials: Number of pairs to make up.
    """

    situation: str
    stated: str
    rate: Callable[..., float]
    trials: int

    def measured(self) -> Row:
        """Measure the rate; each case has draws of its own."""
        rate = self.rate(trials=self.trials, seed=zlib.crc32(self.situation.encode()))
        return Row(self.situation, self.stated, rate, self.trials)


def cases(trials: int) -> Iterator[Case]:
    """Yield the cases; those that show power, and those of groups, have fewer trials."""
    shipped = policy_of()
    yield from _accuracy_cases(shipped.accuracy, trials=trials)
    yield from _group_cases(shipped.groups, trials=trials // 10)
    for words, coverage, stated in (
        ("coverage as promised", 0.9, f"refused ≤ {shipped.calibration.level:g}"),
        ("coverage 5 points too low", 0.85, "refused (power)"),
    ):
        rate = partial(coverage_refusal_rate, shipped.calibration, coverage=coverage)
        yield Case(f"{words}, 3 groups of 400", stated, rate, trials)


def _accuracy_cases(superior: AccuracyPolicy, *, trials: int) -> Iterator[Case]:
    inferior = superior.model_copy(update={"require": "non-inferior", "margin": 0.03})
    level, power, few = f"promoted ≤ {superior.level:g}", "promoted (power)", trials // 5
    for dialogues in (20, 40, 150):
        for words, world in _WORLDS.items():
            truth, size = named(world, words, dialogues=dialogues)
            worse, better = replace(truth, gain=-0.03), replace(truth, gain=0.02 if world.ease == _GOOD else 0.04)
            for situation, stated, pair, policy, count in (
                ("superior, equal models", level, truth, superior, trials),
                ("non-inferior, worse by the margin of 3 points", level, worse, inferior, trials),
                (f"superior, better by {100 * better.gain:g} points", power, better, superior, few),
                ("non-inferior, equal models", power, truth, inferior, few),
            ):
                yield Case(f"{situation}, {size}", stated, partial(promotion_rate, pair, policy), count)
        size = f"{dialogues} dialogues"
        alike = partial(promotion_rate, World(dialogues, alike=0.95), superior)
        yield Case(f"superior, equal models, {size}, 95% of the answers alike", level, alike, trials)
        suited = partial(promotion_rate, World(dialogues, suits=0.3), superior)
        yield Case(f"superior, equal over all speakers, {size}, each session suits one model", "nothing", suited, few)


def _group_cases(policy: GroupPolicy, *, trials: int) -> Iterator[Case]:
    proof = policy.model_copy(update={"refuse": "not-shown-equal", "margin": 0.1, "level": 0.025})
    for dialogues, worlds in ((40, _WORLDS), (150, {"": World()})):
        for words, world in worlds.items():
            truth, size = named(world, words, dialogues=dialogues)
            rate = partial(group_refusal_rate, truth, policy)
            yield Case(f"shown-worse, all groups equal, {size}", f"any refused ≤ {policy.level:g}", rate, trials)
            for grouping, value in (("session", "1"), ("gender", "F"), ("emotion", "sad")):
                group, asked = f"{grouping} {value}", proof.model_copy(update={"by": [grouping]})
                rate = partial(group_refusal_rate, replace(truth, gain=-proof.margin, group=group), asked, only=group)
                situation = f"not-shown-equal, {group} worse by the margin of 10 points, {size}"
                yield Case(situation, f"refused ≥ {1 - proof.level:g}", rate, trials)
        worse = World(dialogues, gain=-0.15, group="session 1")
        rate = partial(group_refusal_rate, worse, policy, only=worse.group)
        situation = f"shown-worse, session 1 worse by 15 points, {dialogues} dialogues"
        yield Case(situation, "refused (power)", rate, trials // 5)


def named(world: AnyWorld, words: str, *, dialogues: int) -> tuple[AnyWorld, str]:
    """Return the test set with so many dialogues, and its description."""
    return replace(world, dialogues=dialogues), f"{dialogues} dialogues" + f", {words}" * bool(words)


def measure(name: str, cases_of: Callable[[int], Iterator[Case]], *, about: str | None) -> None:
    """Print the table of the cases of so many trials, and record it under this name."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--trials", type=int, default=10_000, help="Pairs of models per row that states a level.")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="Rows that are measured at once.")
    args, table = parser.parse_args(), []
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        for row in pool.map(Case.measured, cases_of(args.trials)):
            print(f"{row.situation:96}  {row.stated:22}  {row.rate:.4f} of {row.trials}", flush=True)
            table.append({**asdict(row), "ci95": row.ci95})
    write_result(name, {"rows": table})


if __name__ == "__main__":
    measure("gate_error_rates", cases, about=__doc__)
