"""Error rates of the gate, by simulation: two made-up models whose true difference is known, again and again.

Utterances of a dialogue are easy or hard together, for both models (what they share) and for each in its own way.
The table says how often the gate promotes or refuses, beside what its policy states::

    python -m benchmarks.gate_error_rates

Shapes: n tests, C classes.
"""

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from benchmarks.record import write_result
from merflow.contracts.calibration_record import GroupCoverage
from merflow.contracts.gate_policy import AccuracyPolicy, CalibrationPolicy, GroupPolicy
from merflow.evaluation.predictions import VariantPredictions
from merflow.promotion.gate.accuracy import promotes
from merflow.promotion.gate.calibration import coverage_checks
from merflow.promotion.gate.gate import policy_of
from merflow.promotion.gate.groups import group_checks
from merflow.promotion.gate.pairing import paired_difference_of

CLASSES = ("angry", "happy", "neutral", "sad")
SESSIONS, TURNS = 5, 20
_SHARES = np.array([0.2, 0.3, 0.3, 0.2])
_EASE = np.array([1.2, 0.8, 0.4, 0.6])  # logit of being right, by class
_SHARED, _OWN = 1.0, 0.7  # deviations of the logit: of an utterance, for both models; of a dialogue, for one model
_QUADRATURE = np.polynomial.hermite_e.hermegauss(60)


@dataclass(frozen=True)
class World:
    """A made-up test set and the true difference between two models on it.

    Attributes:
        dialogues: Dialogues in all, spread over five sessions.
        gain: True UA of the candidate minus that of the champion.
        session: Session to which the difference is limited; None for all of them.
        seeds: Training seeds of both models.
    """

    dialogues: int = 40
    gain: float = 0.0
    session: int | None = None
    seeds: int = 1

    def draw(self, random: np.random.Generator) -> tuple[VariantPredictions, VariantPredictions]:
        """Return the predictions of candidate and champion."""
        dialogue = np.repeat(np.arange(self.dialogues), TURNS)
        session = dialogue % SESSIONS + 1
        labels = random.choice(len(CLASSES), size=len(dialogue), p=_SHARES)
        ease = _EASE[labels] + random.normal(0, _SHARED, size=len(dialogue))
        there = True if self.session is None else session == self.session
        names = _names(len(dialogue))
        sides = []
        for skill in (np.where(there, skill_of(self.gain), 0.0), np.zeros(len(dialogue))):
            own = random.normal(0, _OWN, size=self.dialogues)[dialogue]
            chance = 1 / (1 + np.exp(-(ease + skill + own)))
            right = random.random((self.seeds, len(dialogue))) < chance
            predicted = np.where(right, labels, (labels + random.integers(1, 4, size=right.shape)) % len(CLASSES))
            sides.append(
                VariantPredictions(
                    variant="made:up",
                    utterance_ids=np.tile(names, self.seeds),
                    folds=np.tile(session, self.seeds),
                    seeds=np.repeat(np.arange(self.seeds), len(dialogue)),
                    dialogues=np.tile(dialogue, self.seeds),
                    labels=np.tile(labels, self.seeds),
                    probabilities=np.eye(len(CLASSES))[predicted.ravel()],
                )
            )
        return sides[0], sides[1]

    @cached_property
    def utterances(self) -> pd.DataFrame:
        """The groups of the utterances."""
        count = self.dialogues * TURNS
        session = (np.arange(count) // TURNS % SESSIONS + 1).astype(str)
        gender = np.array(["F", "M"])[np.arange(count) % 2]
        return pd.DataFrame({"utterance_id": _names(count), "session": session, "gender": gender})


@cache
def _names(count: int) -> np.ndarray:
    return np.array([f"u{index:06}" for index in range(count)], dtype=object)


def true_ua(skill: float) -> float:
    """Return the UA of a model over all possible dialogues, by Gauss-Hermite quadrature."""
    places, weights = _QUADRATURE
    deviation = (_SHARED**2 + _OWN**2) ** 0.5
    chance = 1 / (1 + np.exp(-(skill + _EASE[:, None] + deviation * places)))
    return float((chance @ weights / weights.sum()).mean())


@cache
def skill_of(gain: float) -> float:
    """Return the logit that changes the true UA by so much, by bisection."""
    low, high, wanted = -3.0, 3.0, true_ua(0.0) + gain
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if true_ua(middle) < wanted else (low, middle)
    return (low + high) / 2


def promotion_rate(world: World, policy: AccuracyPolicy, *, trials: int, seed: int = 0) -> float:
    """Return the share of trials in which the rule for UA promotes the candidate."""
    random = np.random.default_rng(seed)
    promoted = 0
    for _ in range(trials):
        candidate, champion = world.draw(random)
        rows = np.full(len(candidate.labels), fill_value=True)
        found = paired_difference_of(
            candidate, champion, (rows, rows), classes=len(CLASSES), tail=policy.level, policy=policy
        )
        promoted += promotes(found, policy=policy)
    return promoted / trials


def group_refusal_rate(
    world: World, policy: GroupPolicy, accuracy: AccuracyPolicy, *, trials: int, only: str = "", seed: int = 0
) -> float:
    """Return the share of trials in which any group refuses the candidate, or one named group does."""
    random = np.random.default_rng(seed)
    refused = 0
    for _ in range(trials):
        checks = group_checks(*world.draw(random), world.utterances, classes=CLASSES, policy=policy, accuracy=accuracy)
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


def rows(trials: int) -> Iterator[Row]:
    """Yield the rows; each has draws of its own, and slower ones fewer of them."""
    shipped = policy_of()
    superior = shipped.accuracy.model_copy(update={"resamples": 500})
    inferior = superior.model_copy(update={"require": "non-inferior", "margin": 0.03})
    level, power = f"promoted ≤ {superior.level:g}", "promoted (power)"
    for dialogues in (20, 40, 150):
        world, size, some = World(dialogues), f"{dialogues} dialogues", trials if dialogues < 100 else trials // 2
        for words, stated, truth, policy in (
            ("superior, equal models", level, world, superior),
            ("superior, candidate better by 4 points", power, replace(world, gain=0.04), superior),
            ("non-inferior, worse by the margin of 3 points", level, replace(world, gain=-0.03), inferior),
            ("non-inferior, equal models", power, world, inferior),
        ):
            situation = f"{words}, {size}"
            rate = promotion_rate(truth, policy, trials=some, seed=_seed(situation))
            yield Row(situation, stated, rate, some)
    situation = "superior, equal models, 40 dialogues, 3 seeds"
    rate = promotion_rate(World(40, seeds=3), superior, trials=trials, seed=_seed(situation))
    yield Row(situation, level, rate, trials)
    yield from _group_rows(shipped.groups, superior, trials=trials // 8)
    promised, low = (coverage_refusal_rate(shipped.calibration, coverage=share, trials=trials) for share in (0.9, 0.85))
    yield Row("coverage as promised, 3 groups of 400", f"refused ≤ {shipped.calibration.level:g}", promised, trials)
    yield Row("coverage 5 points too low, 3 groups of 400", "refused (power)", low, trials)


def _group_rows(policy: GroupPolicy, accuracy: AccuracyPolicy, *, trials: int) -> Iterator[Row]:
    proof = policy.model_copy(update={"refuse": "not-shown-equal", "margin": 0.1, "level": 0.025})
    for dialogues in (40, 150):
        world, size = World(dialogues), f"{dialogues} dialogues"
        for words, stated, gain, asked, only in (
            ("shown-worse, all groups equal", f"any refused ≤ {policy.level:g}", 0.0, policy, ""),
            ("shown-worse, session 1 worse by 15 points", "refused (power)", -0.15, policy, "session 1"),
            ("not-shown-equal, session 1 worse by the margin of 10", "refused ≥ 0.975", -0.1, proof, "session 1"),
        ):
            situation = f"{words}, {size}"
            truth = replace(world, gain=gain, session=1 if gain else None)
            rate = group_refusal_rate(truth, asked, accuracy, trials=trials, only=only, seed=_seed(situation))
            yield Row(situation, stated, rate, trials)


def _seed(situation: str) -> int:
    return zlib.crc32(situation.encode())


def main() -> None:
    """Print the table and record it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="Pairs of models per row; at least 8.")
    table = []
    for row in rows(parser.parse_args().trials):
        print(f"{row.situation:72}  {row.stated:22}  {row.rate:.4f} of {row.trials}", flush=True)
        table.append({**asdict(row), "ci95": row.ci95})
    write_result("gate_error_rates", {"rows": table})


if __name__ == "__main__":
    main()
