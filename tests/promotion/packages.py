"""Small model packages for tests, written with the contracts; their predictions are drawn, no model is trained."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.calibration_record import (
    ANY_GROUP,
    AnyCalibration,
    Calibration,
    GroupCoverage,
    HeldOutCalibration,
    write_calibration,
)
from merflow.contracts.costs import Costs, Round, SmokeTest, write_costs, write_smoke_test
from merflow.contracts.model_package import (
    CARD_HTML,
    CARD_MD,
    PREDICTIONS_FILE,
    UTTERANCES_FILE,
    Kind,
    Lineage,
    Member,
    ModelPackage,
    PackagedEncoder,
    Validation,
    write_package,
)
from merflow.contracts.package_files import file_digests
from merflow.contracts.selection import Selection
from merflow.contracts.stress_checks import ConditionResult, GroupResult
from merflow.contracts.stress_results import StressResults, write_stress
from merflow.contracts.tables import PREDICTIONS, TESTED, conform
from tests.promotion.drawn_predictions import CLASSES, VARIANT, predictions, utterances


def package(*, kind: Kind = "refit", variant: str = VARIANT, **changes: object) -> ModelPackage:
    """Return the facts of a package."""
    member = Member(folder="members/01", digest="ab" * 32, fold=None, seed=0, epochs=7)
    members: tuple[Member, ...] = (member,)
    if kind == "ensemble":
        members = tuple(member.model_copy(update={"folder": f"members/0{n}", "fold": n}) for n in range(1, 6))
    values: dict[str, object] = {
        "kind": kind,
        "variant": variant,
        "taxonomy": "iemocap4",
        "classes": CLASSES,
        "modalities": ("audio", "text"),
        "transcripts": "truth",
        "protocol": "session-5fold",
        "selection": Selection(figure="loss", data="speaker"),
        "promotable": True,
        "members": members,
        "fold_epochs": (6, 7, 7, 8, 9),
        "encoders": {
            "speech": PackagedEncoder(citation="lite speech, 40 mel bands", digest="cd" * 32),
            "text": PackagedEncoder(citation="lite text, hashed words", digest="ef" * 32),
        },
        "training_seconds": (0.6, 34.1),
        "synthetic": True,
        "data_licence": "made up by merflow; no licence is needed",
        "files": {},
        "validation": Validation(passed=True, checks=24, failed=()),
        "lineage": Lineage(
            corpus="iemocap",
            manifest_hash="11" * 8,
            split_id="22" * 8,
            dvc_revision="",
            git_commit="33" * 20,
            image="",
            sbom="",
            benchmark_run="44" * 16,
            variant_run="55" * 16,
            fold_fingerprints=tuple(f"{n}" * 16 for n in range(1, 6)),
            environment="Python 3.11, torch 2.13.0",
        ),
    }
    return ModelPackage.model_validate(values | changes)


def calibration(*, ece: float = 0.04, coverage: float = 0.91, gender_coverage: float = 0.9) -> Calibration:
    """Return a calibration with these figures; the nominal coverage is 90%."""

    def group(utterances: int, share: float) -> GroupCoverage:
        reach = 1.96 * (share * (1 - share) / utterances) ** 0.5
        return GroupCoverage(
            utterances=utterances,
            coverage=share,
            ci95=(share - reach, min(1.0, share + reach)),
            mean_size=1.6,
            answered=0.55,
            accuracy_when_answered=0.82,
        )

    return Calibration(
        temperature=1.31,
        coverage=0.9,
        grouped_by="gender",
        thresholds={"F": 0.12, "M": 0.15, ANY_GROUP: 0.12},
        utterances={"F": 400, "M": 400, ANY_GROUP: 800},
        held_out=HeldOutCalibration(
            utterances=800,
            ece_before=0.09,
            ece_after=ece,
            nll_before=0.92,
            nll_after=0.88,
            groups={"F": group(400, gender_coverage), "M": group(400, coverage), ANY_GROUP: group(800, coverage)},
        ),
    )


def stress(*, failed: tuple[str, ...] = (), **changes: object) -> StressResults:
    """Return results of a small suite in which these conditions or groups failed."""
    names = {
        "telephone": ("band", "300 to 3,400 Hz"),
        "noise-20dB": ("noise", "white noise at 20 dB"),
        "noise-10dB": ("noise", "white noise at 10 dB"),
        "reverberation": ("room", "0.6 s of reverberation"),
        "no-text": ("missing", "without words"),
    }
    conditions = tuple(
        ConditionResult(
            name=name,
            family=family,
            description=words,
            utterances=800,
            ua=0.55 - 0.2 * (name in failed),
            delta_ua=-0.02 - 0.2 * (name in failed),
            ci95=(-0.05 - 0.2 * (name in failed), 0.01 - 0.2 * (name in failed)),
            unchanged=0.9 - 0.4 * (name in failed),
            allowed_drop=0.08,
            min_unchanged=0.7,
            passed=name not in failed,
        )
        for name, (family, words) in names.items()
    )
    groups = tuple(
        GroupResult(
            by="gender",
            group=group,
            utterances=400,
            ua=0.57,
            delta_ua=0.0,
            ci95=(-0.04, 0.04),
            allowed_gap=0.05,
            passed=f"gender {group}" not in failed,
        )
        for group in "FM"
    )
    values: dict[str, object] = {
        "variant": VARIANT,
        "corpus": "iemocap",
        "synthetic": True,
        "skipped": (),
        "classes": CLASSES,
        "split_id": "22" * 8,
        "suite": "66" * 8,
        "seed": 0,
        "utterances": 800,
        "ua": 0.57,
        "conditions": conditions,
        "groups": groups,
    }
    return StressResults.model_validate(values | changes)


def costs(*, latency_ms: float = 40, resident_mib: float = 700, size_mib: float = 12, measurement: str = "m1") -> Costs:
    """Return costs with these figures."""
    rounds = tuple(
        Round(load_s=2.0, latency_p95_ms=latency_ms * factor, peak_resident_mib=resident_mib)
        for factor in (0.9, 1, 1.2)
    )
    return Costs(measurement=measurement, machine="2 cores", clips=20, rounds=rounds, size_mib=size_mib)


SMOKE = SmokeTest(passed=True, clips=3, seconds=4.2, error="")


def write_folder(
    folder: Path,
    *,
    skill: float = 1.0,
    chance: int = 0,
    weak: Mapping[str, float] | None = None,
    without: str = "",
    whole: bool = True,
    **changes: object,
) -> Path:
    """Write a package folder.

    Args:
        folder: The folder.
        skill: Logit of being right.
        chance: Seed of what differs between two models.
        weak: Value of emotion, gender or session -> skill that is lost there.
        without: Column of the utterances that is unknown.
        whole: False to leave out calibration, stress results, costs, smoke test and card.
        changes: Facts of the package that differ.
    """
    facts = package(**changes)  # type: ignore[arg-type]
    frame = utterances()
    drawn = predictions(frame, skill=skill, chance=chance, weak=weak, variant=facts.variant)
    if without:
        frame[without] = None
    if whole:
        write_stress(folder, stress(failed=("noise-10dB",), variant=facts.variant))
    rows = conform(drawn, PREDICTIONS, where="predictions")
    return fill_folder(folder, facts, rows, frame, calibrated=calibration() if whole else None)


def fill_folder(
    folder: Path, facts: ModelPackage, predicted: pa.Table, frame: pd.DataFrame, *, calibrated: AnyCalibration | None
) -> Path:
    """Write the parts of a package that do not depend on its task; the facts last, with the digests of all files.

    Args:
        folder: The folder.
        facts: Facts of the package.
        predicted: Test predictions.
        frame: Utterances.
        calibrated: The calibration; None to leave it out, with costs, smoke test and card.
    """
    (folder / "evidence").mkdir(parents=True)
    pq.write_table(predicted, folder / PREDICTIONS_FILE)
    pq.write_table(conform(frame, TESTED, where="utterances"), folder / UTTERANCES_FILE)
    if calibrated is not None:
        write_calibration(folder, calibrated)
        write_costs(folder, costs())
        write_smoke_test(folder, SMOKE)
        for name in (CARD_MD, CARD_HTML):
            (folder / name).write_text("a card", encoding="utf-8")
    write_package(folder, facts.model_copy(update={"files": file_digests(folder)}))
    return folder
