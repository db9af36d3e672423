"""Small packages of models of sentiment for tests; their predictions are drawn, no model is trained."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.score_calibration import HeldOutIntervals, IntervalCoverage, ScoreCalibration
from merflow.contracts.stress_checks import ScoreConditionResult, ScoreGroupResult
from merflow.contracts.stress_results import ScoreStressResults
from merflow.contracts.tables import SCORE_PREDICTIONS, conform
from merflow.contracts.task import SCALES
from merflow.promotion.gate.evidence import Evidence, Signature
from tests.promotion import drawn_predictions, packages
from tests.promotion.gate.contenders import evidence as evidence_of_emotions

TASK = SCALES["sentiment"]
FACTS: dict[str, Any] = {"task": "sentiment", "scale": (-3, 3), "classes": (), "taxonomy": "none"}
_THIRDS = np.array(["low", "middle", "high"])


def predictions(
    frame: pd.DataFrame,
    *,
    error: float = 0.5,
    weak: Mapping[str, float] | None = None,
    seeds: tuple[int, ...] = (0,),
    chance: int = 0,
    variant: str = drawn_predictions.VARIANT,
) -> pd.DataFrame:
    """Draw test predictions; two calls with one ``chance`` and ``error`` are equal.

    Args:
        frame: Utterances.
        error: Deviation of the errors.
        weak: Third of the scale, gender or session -> deviation that is added there.
        seeds: Training seeds.
        chance: Seed of what differs between two models.
        variant: ``model:preset``.
    """
    labels = np.clip(np.round(3 * np.random.default_rng(1).normal(0.2, 1.3, size=len(frame))) / 3, -3, 3)
    shared = np.random.default_rng(2).normal(size=len(frame))
    random = np.random.default_rng(1000 + chance)
    third = _THIRDS[np.digitize(labels, [-1, 1])]
    deviation = error + sum(
        more * ((frame["gender"] == of) | (frame["session"] == of) | (third == of)).to_numpy()
        for of, more in (weak or {}).items()
    )
    tables = [
        drawn_predictions.tested_rows(frame, seed=seed, variant=variant).assign(
            label=labels, score=labels + deviation * (0.6 * shared + 0.8 * random.normal(size=len(frame)))
        )
        for seed in seeds
    ]
    return pd.concat(tables, ignore_index=True)


def calibration(*, coverage: float = 0.91, gender_coverage: float = 0.9, width: float = 1.9) -> ScoreCalibration:
    """Return a calibration with these figures; the nominal coverage is 90%."""

    def group(utterances: int, share: float) -> IntervalCoverage:
        reach = 1.96 * (share * (1 - share) / utterances) ** 0.5
        return IntervalCoverage(
            utterances=utterances,
            coverage=share,
            ci95=(share - reach, min(1.0, share + reach)),
            answered=0.55,
            accuracy_when_answered=0.97,
            mean_width=width,
        )

    return ScoreCalibration(
        task="sentiment",
        low=-3,
        high=3,
        coverage=0.9,
        grouped_by="gender",
        half_widths={"F": 0.94, "M": 1.02, ANY_GROUP: 1.02},
        utterances={"F": 400, "M": 400, ANY_GROUP: 800},
        held_out=HeldOutIntervals(
            utterances=800,
            mae=0.41,
            groups={"F": group(400, gender_coverage), "M": group(400, coverage), ANY_GROUP: group(800, coverage)},
        ),
    )


def stress(*, failed: tuple[str, ...] = (), **changes: object) -> ScoreStressResults:
    """Return results of a small suite in which these conditions or groups failed."""
    of_emotions = packages.stress(failed=failed)
    conditions = tuple(
        ScoreConditionResult(
            **each.model_dump(exclude={"ua", "delta_ua"}),
            ccc=0.61 + each.delta_ua,
            delta_ccc=each.delta_ua,
            mae=0.7 - each.delta_ua,
            delta_mae=-each.delta_ua,
            mae_ci95=None,
            shift=-0.2,
            shift_quartiles=(-0.4, -0.2, 0.1),
        )
        for each in of_emotions.conditions
    )
    groups = tuple(
        ScoreGroupResult(**each.model_dump(exclude={"ua", "delta_ua"}), mae=0.7, delta_mae=0.0 if each.passed else 0.2)
        for each in of_emotions.groups
    )
    values: dict[str, object] = {
        "variant": drawn_predictions.VARIANT,
        "corpus": "mosei",
        "synthetic": True,
        "skipped": (),
        "split_id": of_emotions.split_id,
        "suite": of_emotions.suite,
        "seed": 0,
        "utterances": 800,
        "task": "sentiment",
        "low": -3,
        "high": 3,
        "ccc": 0.61,
        "mae": 0.7,
        "conditions": conditions,
        "groups": groups,
    }
    return ScoreStressResults.model_validate(values | changes)


def evidence(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    """Return evidence that passes every check of the shipped policy against :func:`champion`."""
    facts = packages.package(**FACTS)
    whole = evidence_of_emotions(
        package=facts,
        predictions=predicted(error=0.5, chance=1),
        calibration=calibration(),
        stress=stress(failed=("noise-10dB",)),
        signature=Signature(inputs=facts.modalities, outputs=("sentiment",)),
    )
    return replace(whole, **changes)


def champion(**changes: Any) -> Evidence:  # noqa: ANN401 - any field
    weaker = predicted(error=0.8, chance=2)
    return evidence(**{"predictions": weaker, "version": "1", "digest": "d" * 64} | changes)


def predicted(**how: Any) -> pd.DataFrame:  # noqa: ANN401 - any argument
    return predictions(drawn_predictions.utterances(), **how)


def write_folder(folder: Path, *, whole: bool = True, drawn: pd.DataFrame | None = None, **changes: Any) -> Path:  # noqa: ANN401
    """Write a package folder without stress results.

    Args:
        folder: The folder.
        whole: False to leave out calibration, costs, smoke test and card.
        drawn: Test predictions; None for the usual ones.
        changes: Facts of the package that differ.
    """
    facts, frame = packages.package(**{**FACTS, **changes}), drawn_predictions.utterances()
    rows = conform(predictions(frame) if drawn is None else drawn, SCORE_PREDICTIONS, where="predictions")
    return packages.fill_folder(folder, facts, rows, frame, calibrated=calibration() if whole else None)
