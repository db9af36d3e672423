"""The policy of the gate: a YAML file with the requirements that a candidate must meet to become the champion."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from merflow.contracts.strict import Strict, parse, read_yaml, yaml_of
from merflow.storage.local import digest

Grouping = Literal["emotion", "third", "gender", "session", "speaker"]
# Groupings by the labels of a task: emotions, and thirds of the scale of a score. Models of the other task skip them.
BY_LABEL: tuple[Grouping, ...] = ("emotion", "third")
# Article 5(1)(f) of the EU AI Act prohibits inferring emotions in these uses, except for medical or safety reasons.
PROHIBITED_BY_LAW = ("workplace", "education")

Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, le=0.2)]
Growth = Annotated[float, Field(ge=1)]
Budget = Annotated[float, Field(gt=0)]


class AccuracyPolicy(Strict):
    """The requirements on UA, or on MAE for scores, compared with the champion and with a constant.

    MAE is given as a share of the width of the scale: 0.01 is 0.06 from -3 to 3, and 0.04 from 1 to 5.

    Attributes:
        require: ``superior``: the lower bound of the gain is above 0. ``non-inferior``: it is above ``-margin``, or
            ``-margin_mae``.
        level: One-sided level of that bound: the largest probability of promoting a candidate that is exactly as good
            as the champion (superior), or worse by exactly the margin (non-inferior).
        margin: UA that a non-inferior candidate may lose.
        margin_mae: MAE that a non-inferior candidate may add.
        above_chance: UA by which the lower bound must exceed a constant guess, with or without a champion.
        below_constant: MAE by which the candidate must be better than the best constant, at the lower bound, with or
            without a champion.
        min_dialogues: Minimum number of test dialogues for a difference to count.
    """

    require: Literal["superior", "non-inferior"]
    level: Level
    margin: Share
    margin_mae: Share
    above_chance: Share
    below_constant: Share
    min_dialogues: int = Field(ge=5)


class GroupPolicy(Strict):
    """The requirements for every group of utterances.

    Attributes:
        by: Groupings.
        refuse: ``shown-worse``: a group that is worse by more than the margin, with the upper bound below 0.
            ``not-shown-equal``: a group whose lower bound is not above ``-margin``.
        level: Level of the whole family of groups, split evenly among them, for ``shown-worse``; level of each group's
            bound for ``not-shown-equal``.
        margin: UA that a group may lose; for an emotion, recall.
        margin_mae: MAE that a group may gain, as a share of the width of the scale.
    """

    by: list[Grouping]
    refuse: Literal["shown-worse", "not-shown-equal"]
    level: Level
    margin: Share
    margin_mae: Share


class CalibrationPolicy(Strict):
    """The requirements on the calibration.

    Attributes:
        required: True to refuse a package without calibration.
        max_ece: Largest expected calibration error on held-out data; None for no limit.
        ece_margin: Allowed growth of that error compared with the champion.
        max_width: Largest mean width of the intervals of scores, as a share of the width of the scale; None for no
            limit.
        width_margin: Allowed growth of that width compared with the champion.
        level: Level of the family of coverage tests, one per group: the largest probability of refusing a model whose
            sets or intervals cover as they promise.
    """

    required: bool
    max_ece: Share | None
    ece_margin: Share
    max_width: Share | None
    width_margin: Share
    level: Level


class StressPolicy(Strict):
    """The requirements on the stress suite.

    Attributes:
        required: True to refuse a package without stress results.
        min_conditions: Minimum number of conditions that must have been tested.
        max_failed_conditions: Largest share of conditions that may fail.
        max_failed_groups: Largest share of groups that may fail.
        must_pass: Names of conditions, or ``gender F`` and the like for groups, none of which may fail.
    """

    required: bool
    min_conditions: int = Field(ge=1)
    max_failed_conditions: Share
    max_failed_groups: Share
    must_pass: list[str]


class CostPolicy(Strict):
    """The budgets; None for no budget.

    Attributes:
        required: True to refuse a package whose costs were not measured.
        max_latency_p95_ms: 95th percentile of the time per clip.
        max_resident_mib: Peak resident memory of the process that predicts.
        max_size_mib: Size of the package.
        latency_growth: Largest latency as a multiple of the champion's.
        resident_growth: Largest resident memory as a multiple of the champion's.
        size_growth: Largest size as a multiple of the champion's.
    """

    required: bool
    max_latency_p95_ms: Budget | None
    max_resident_mib: Budget | None
    max_size_mib: Budget | None
    latency_growth: Growth | None
    resident_growth: Growth | None
    size_growth: Growth | None


class PackagePolicy(Strict):
    """The requirements on the package itself.

    Attributes:
        validation_required: True to refuse a package whose corpus was never validated.
        new_inputs: ``refuse`` a candidate that reads an input which the champion does not, or ``allow`` it.
    """

    validation_required: bool
    new_inputs: Literal["refuse", "allow"]


class UsePolicy(Strict):
    """The use that the model is promoted for.

    Attributes:
        intended: The use in a word.
        prohibited: Uses that need a recorded exception on medical or safety grounds.
    """

    intended: str = Field(min_length=1)
    prohibited: list[str]

    @field_validator("prohibited")
    @classmethod
    def _law(cls, prohibited: list[str]) -> list[str]:
        lacking = [use for use in PROHIBITED_BY_LAW if use not in prohibited]
        if lacking:
            raise ValueError(f"{lacking} cannot be removed: the EU AI Act prohibits these uses; add them again")
        return prohibited


class GatePolicy(Strict):
    """The whole policy; the shipped file gives the reason for every key."""

    accuracy: AccuracyPolicy
    groups: GroupPolicy
    calibration: CalibrationPolicy
    stress: StressPolicy
    costs: CostPolicy
    package: PackagePolicy
    use: UsePolicy

    @property
    def digest(self) -> str:
        """Identity of the policy, regardless of comments in its file."""
        return digest(self.model_dump(mode="json"))


def read_policy(path: Path, *, shipped: Path) -> GatePolicy:
    """Read a policy file.

    Args:
        path: The file.
        shipped: merflow's own file, from which an error quotes a key that is missing.

    Raises:
        ParamsError: The file is missing or not YAML, or with every problem of its values.
    """
    return _parsed(read_yaml(path, what="policy"), where=f"policy {path}", shipped=shipped)


def parse_policy(text: str, *, shipped: Path) -> GatePolicy:
    """Parse the text of a policy file; see :func:`read_policy`.

    Raises:
        ParamsError: The text is not YAML, or with every problem of its values.
    """
    return _parsed(yaml_of(text, where="policy"), where="policy", shipped=shipped)


def _parsed(values: object, *, where: str, shipped: Path) -> GatePolicy:
    return parse(GatePolicy, values, where=where, shipped=lambda: read_yaml(shipped, what="policy"))
