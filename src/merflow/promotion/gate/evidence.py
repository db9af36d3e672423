"""The information about a package that the gate and the card use, read from its folder."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from merflow.contracts.calibration_record import CALIBRATION, Calibration
from merflow.contracts.costs import COSTS, SMOKE, Costs, SmokeTest, read_costs, read_smoke_test
from merflow.contracts.gate_decision import Contender
from merflow.contracts.model_package import (
    CARD_HTML,
    CARD_MD,
    MEMBERS,
    PACKAGE,
    PREDICTIONS_FILE,
    REMEDY,
    UTTERANCES_FILE,
    ModelPackage,
    read_package,
)
from merflow.contracts.score_calibration import ScoreCalibration, read_any_calibration
from merflow.contracts.stress_results import STRESS, StressRun, read_stress
from merflow.contracts.tables import TESTED, read_table, tables_of
from merflow.contracts.task import EMOTION
from merflow.contracts.use_exception import EXCEPTION, UseException, read_exception
from merflow.errors import EvaluationError, ModelError
from merflow.evaluation.tested_rows import HeldOutData

# Files that a decision is based on; costs and smoke test are measured for one decision and stored with it.
_EVIDENCE = (PACKAGE, PREDICTIONS_FILE, UTTERANCES_FILE, CALIBRATION, STRESS, CARD_MD, CARD_HTML, EXCEPTION)

Content = TypeVar("Content")
Variant = TypeVar("Variant")


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a package, as its callers see them.

    Attributes:
        inputs: Names of the inputs that it reads.
        outputs: Classes in the order of the probabilities, or the score.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """The evidence about a package. An attribute is None if the package lacks it.

    Attributes:
        package: The package.
        predictions: Test predictions of the folds, before calibration; rows of the task's table
            (:func:`merflow.contracts.tables.tables_of`).
        utterances: Groups of the tested utterances; rows of :data:`merflow.contracts.tables.TESTED`.
        calibration: Its calibration.
        stress: Results of the stress suite.
        costs: Its costs, measured together with those of the other package.
        smoke_test: Outcome of loading and predicting in a new process.
        has_card: True if it has a model card, as Markdown and as HTML.
        use_exception: The recorded exception for a prohibited use.
        signature: Its inputs and outputs.
        digest: SHA-256 of the evidence files.
        version: Version in the registry; empty if it has none.
    """

    package: ModelPackage
    predictions: pd.DataFrame
    utterances: pd.DataFrame
    calibration: Calibration | ScoreCalibration | None
    stress: StressRun | None
    costs: Costs | None
    smoke_test: SmokeTest | None
    has_card: bool
    use_exception: UseException | None
    signature: Signature
    digest: str
    version: str = ""

    @property
    def contender(self) -> Contender:
        """The package as it appears in a decision."""
        package = self.package
        return Contender(variant=package.variant, kind=package.kind, version=self.version, digest=self.digest)


def read_evidence(folder: Path) -> Evidence:
    """Read the evidence of a package folder.

    Calibration, stress results, costs, smoke test, card and exception may be missing. A damaged file is an error.

    Raises:
        ModelError: The folder is not a package, or evidence is missing or was changed.
        FormatError: A file is damaged, or another version of merflow wrote it.
        MerflowError: A table has other columns.
    """
    package = read_package(folder)
    for name in (PREDICTIONS_FILE, UTTERANCES_FILE):
        if not (folder / name).is_file():
            raise ModelError(f"no such file: {folder / name}; {REMEDY}")
    _unchanged(folder, package)
    predictions, _ = read_table(folder / PREDICTIONS_FILE, tables_of(package.predicted).predictions)
    utterances, _ = read_table(folder / UTTERANCES_FILE, TESTED)
    return Evidence(
        package=package,
        predictions=predictions,
        utterances=utterances,
        calibration=_if_there(read_any_calibration, folder, CALIBRATION),
        stress=_if_there(read_stress, folder, STRESS),
        costs=_if_there(read_costs, folder, COSTS),
        smoke_test=_if_there(read_smoke_test, folder, SMOKE),
        has_card=all((folder / name).is_file() for name in (CARD_MD, CARD_HTML)),
        use_exception=_if_there(read_exception, folder, EXCEPTION),
        signature=Signature(inputs=tuple(sorted(package.modalities)), outputs=_outputs(package)),
        digest=_digest(folder),
    )


def held_out_of(evidence: Evidence) -> HeldOutData:
    """Return the data that a package was tested on."""
    package = evidence.package
    return HeldOutData(
        corpus=package.lineage.corpus,
        manifest_hash=package.lineage.manifest_hash,
        split_id=package.lineage.split_id,
        protocol=package.protocol,
        utterances=evidence.utterances,
    )


def only_variant(variants: Mapping[str, Variant], evidence: Evidence) -> Variant:
    """Return the predictions of the package's own variant.

    Raises:
        EvaluationError: The package holds predictions of other variants.
    """
    name = evidence.package.variant
    if list(variants) != [name]:
        raise EvaluationError(
            f"the package of {name} holds predictions of {', '.join(variants)}; register the model again"
        )
    return variants[name]


def _outputs(package: ModelPackage) -> tuple[str, ...]:
    return package.classes if package.task == EMOTION else (package.task,)


def _unchanged(folder: Path, package: ModelPackage) -> None:
    """Raise if evidence or calibration is missing or was changed. Model files are checked when they are loaded."""
    for name, value in package.files.items():
        path = folder / name
        if name.startswith(f"{MEMBERS}/"):
            continue
        if not path.is_file():
            raise ModelError(f"no such file: {path}; {REMEDY}")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != value:
                raise ModelError(f"{path} was changed after the model was packaged; {REMEDY}")


def _if_there(read: Callable[[Path], Content], folder: Path, name: str) -> Content | None:
    return read(folder) if (folder / name).exists() else None


def _digest(folder: Path) -> str:
    sha = hashlib.sha256()
    for name in _EVIDENCE:
        if (folder / name).is_file():
            content = (folder / name).read_bytes()
            sha.update(f"{name} {len(content)}\n".encode())
            sha.update(content)
    return sha.hexdigest()
