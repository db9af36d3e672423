"""Made-up traffic of a made-up model whose distributions are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from merflow.contracts.calibration_record import (
    ANY_GROUP,
    Calibration,
    GroupCoverage,
    HeldOutCalibration,
    write_calibration,
)
from merflow.contracts.heard import ScoreScale
from merflow.contracts.model_package import (
    PREDICTIONS_FILE,
    REFERENCE_FILE,
    Lineage,
    Member,
    ModelPackage,
    write_package,
)
from merflow.contracts.score_calibration import HeldOutIntervals, IntervalCoverage, ScoreCalibration
from merflow.contracts.selection import Selection
from merflow.contracts.tables import MEASURED, conform, tables_of
from merflow.contracts.traffic_log import TrafficLog, TrafficRecord

CLASSES = ("angry", "happy", "neutral", "sad")
MODEL, VERSION = "speech", "3"
SCALE = ScoreScale(task="sentiment", low=-3, high=3)


@dataclass(frozen=True)
class World:
    """The distributions.

    Attributes:
        louder_db: Gain of all levels.
        longer: Factor of all durations.
        shares: Shares of the true classes.
        skill: Logit of the true class; the lower, the less sure and right is the model.
        threshold: Lowest probability of a class in the set.
    """

    louder_db: float = 0.0
    longer: float = 1.0
    shares: tuple[float, ...] = (0.2, 0.3, 0.3, 0.2)
    skill: float = 2.5
    threshold: float = 0.15

    def traffic(self, clips: int, *, seed: int) -> tuple[list[TrafficRecord], Mapping[str, str]]:
        """Return records and the labels of all clips."""
        random = np.random.default_rng(seed)
        truth = random.choice(len(CLASSES), size=clips, p=self.shares)
        logits = random.normal(0, 1.2, size=(clips, len(CLASSES)))
        logits[np.arange(clips), truth] += self.skill
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        durations = self.longer * random.lognormal(1.3, 0.6, size=clips)
        levels = random.normal(-27, 4, size=clips) + self.louder_db
        words = random.poisson(2.2 * durations)
        records = []
        for number in range(clips):
            row = probabilities[number]
            possible = tuple(name for name, p in zip(CLASSES, row, strict=True) if p >= self.threshold)
            records.append(
                TrafficRecord(
                    time=f"2026-05-{1 + number * 28 // clips:02}T12:00:00+00:00",
                    model=MODEL,
                    version=VERSION,
                    clip_id=f"clip-{number}",
                    duration_s=float(durations[number]),
                    level_dbfs=float(levels[number]),
                    words=int(words[number]),
                    modalities=("audio", "text"),
                    probabilities=dict(zip(CLASSES, row.tolist(), strict=True)),
                    possible=possible,
                    sure=len(possible) == 1,
                    abstains=True,
                )
            )
        return records, {f"clip-{number}": CLASSES[index] for number, index in enumerate(truth.tolist())}

    def calibration(self, clips: int) -> Calibration:
        """Return a calibration with the world's threshold."""
        held = GroupCoverage(**_HELD, utterances=clips, mean_size=1.2)
        return Calibration(
            temperature=1.0,
            coverage=0.9,
            grouped_by="",
            thresholds={ANY_GROUP: self.threshold},
            utterances={ANY_GROUP: clips},
            held_out=HeldOutCalibration(
                utterances=clips, ece_before=0.1, ece_after=0.05, nll_before=1, nll_after=0.9, groups={ANY_GROUP: held}
            ),
        )


@dataclass(frozen=True)
class ScoreWorld:
    """The distributions of a model of sentiment.

    Attributes:
        louder_db: Gain of all levels.
        shift: Moves all scores.
        error: Standard deviation of the error.
        half_width: Half the width of an interval.
    """

    louder_db: float = 0.0
    shift: float = 0.0
    error: float = 0.7
    half_width: float = 1.2

    def traffic(self, clips: int, *, seed: int) -> tuple[list[TrafficRecord], Mapping[str, float]]:
        """Return records and the labels of all clips."""
        random = np.random.default_rng(seed)
        truth = np.clip(np.rint(3 * random.normal(0.3, 1.1, size=clips)) / 3, SCALE.low, SCALE.high)
        scores = 0.1 + 0.7 * truth + self.shift + self.error * random.normal(size=clips)
        middle = np.clip(scores, SCALE.low, SCALE.high)
        low, high = (np.clip(middle + side * self.half_width, SCALE.low, SCALE.high) for side in (-1, 1))
        durations = random.lognormal(1.3, 0.6, size=clips)
        levels = random.normal(-27, 4, size=clips) + self.louder_db
        words = random.poisson(2.2 * durations)
        abstained = (low <= 0) & (high >= 0)
        records = [
            TrafficRecord(
                time="2026-05-01T12:00:00+00:00",
                model=MODEL,
                version=VERSION,
                clip_id=f"clip-{number}",
                duration_s=float(durations[number]),
                level_dbfs=float(levels[number]),
                words=int(words[number]),
                modalities=("audio", "text"),
                sure=not abstained[number],
                abstains=True,
                score=float(scores[number]),
                low=float(low[number]),
                high=float(high[number]),
                abstained=bool(abstained[number]),
                format=2,
            )
            for number in range(clips)
        ]
        return records, {f"clip-{number}": float(label) for number, label in enumerate(truth)}

    def calibration(self, clips: int) -> ScoreCalibration:
        """Return a calibration with the world's width."""
        held = IntervalCoverage(**_HELD, utterances=clips, mean_width=2.4)
        return ScoreCalibration(
            task=SCALE.task,
            low=SCALE.low,
            high=SCALE.high,
            coverage=0.9,
            grouped_by="",
            half_widths={ANY_GROUP: self.half_width},
            utterances={ANY_GROUP: clips},
            held_out=HeldOutIntervals(utterances=clips, mae=0.6, groups={ANY_GROUP: held}),
        )


_HELD: dict[str, Any] = {"coverage": 0.9, "ci95": (0.89, 0.91), "answered": 0.7, "accuracy_when_answered": 0.9}


def write_made_package(
    folder: Path, world: World | ScoreWorld, *, clips: int = 1500, with_reference: bool = True
) -> ModelPackage:
    """Write a package without weights, whose held-out data come from a world."""
    records, labels = world.traffic(clips, seed=99)
    scores = isinstance(world, ScoreWorld)
    folder.mkdir(parents=True)
    write_calibration(folder, world.calibration(clips))
    member = folder / "members" / "00"
    member.mkdir(parents=True)
    (member / "weights").write_text("none")
    package = ModelPackage(
        kind="ensemble",
        variant="made:up",
        taxonomy="iemocap4",
        task=SCALE.task if scores else "emotion",
        scale=(SCALE.low, SCALE.high) if scores else None,
        classes=() if scores else CLASSES,
        modalities=("audio", "text"),
        transcripts="truth",
        protocol="k-fold",
        selection=Selection(figure="loss", data="speaker"),
        promotable=True,
        members=(Member(folder="members/00", digest="", fold=1, seed=0, epochs=1),),
        fold_epochs=(1,),
        encoders={},
        training_seconds=(0.5, 20.0),
        synthetic=False,
        data_licence="none",
        validation=None,
        lineage=Lineage(
            corpus="made-up",
            **dict.fromkeys(_LINEAGE, ""),
            fold_fingerprints=(),
        ),
        files={},
    )
    _write_evidence(folder, records, labels, package, with_reference=with_reference)
    write_package(folder, package)
    return package


_LINEAGE = (
    *("manifest_hash", "split_id", "dvc_revision", "git_commit", "image", "sbom", "benchmark_run", "variant_run"),
    "environment",
)


def _write_evidence(
    folder: Path,
    records: list[TrafficRecord],
    labels: Mapping[str, str] | Mapping[str, float],
    package: ModelPackage,
    *,
    with_reference: bool,
) -> None:
    names = [record.clip_id for record in records]
    fixed = {"run": "", "model": "made", "preset": "up", "protocol": "k-fold", "fold": 1, "seed": 0}
    answers: dict[str, list[Any]] = {"probabilities": [list(record.probabilities.values()) for record in records]}
    if package.scale is not None:
        answers = {"score": [record.score for record in records]}
    predictions = pd.DataFrame({"utterance_id": names, "label": [labels[name] for name in names], **answers})
    tables = {PREDICTIONS_FILE: (predictions.assign(**fixed), tables_of(package.predicted).predictions)}
    if with_reference:
        measured = {field: [getattr(record, field) for record in records] for field in MEASURED.names[1:]}
        tables[REFERENCE_FILE] = (pd.DataFrame({"utterance_id": names, **measured}), MEASURED)
    for name, (frame, schema) in tables.items():
        (folder / name).parent.mkdir(exist_ok=True)
        pq.write_table(conform(frame, schema, where=name), folder / name)


def write_log(path: Path, records: list[TrafficRecord]) -> Path:
    """Write a traffic log."""
    with TrafficLog(path) as log:
        log.add(records)
    return path
