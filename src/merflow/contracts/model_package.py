"""The model package: a folder with all parts of a registered model version.

``members/NN`` are model folders, one for a model refitted on all data, several for an ensemble of fold models.
``evidence/`` contains the variant's results on held-out data, so that a gate can compare two packages without the runs
that they come from: ``predictions.parquet`` (the folds' test predictions, before calibration) and
``utterances.parquet`` (the groups of these utterances). ``reference.parquet`` holds their measurements, with which
monitoring compares traffic; packages of earlier versions lack it. ``package.json`` names all of it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import FiniteFloat, model_validator

from merflow.contracts.corpus_validation import Validation as Validation  # needed to build and read packages
from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.numerals import plural
from merflow.contracts.protocols import Protocol
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Modality, Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, SCALES, Classification, Task, TaskName
from merflow.errors import ModelError

PACKAGE = "package.json"
MEMBERS = "members"
EVIDENCE = "evidence"
PREDICTIONS_FILE = f"{EVIDENCE}/predictions.parquet"
UTTERANCES_FILE = f"{EVIDENCE}/utterances.parquet"
REFERENCE_FILE = f"{EVIDENCE}/reference.parquet"
CARD_MD, CARD_HTML = "card.md", "card.html"
FORMAT = 1
REMEDY = "register the model again with merflow registry register"

Kind = Literal["refit", "ensemble"]


class Member(Strict):
    """One model of a package.

    Attributes:
        folder: Its model folder, relative to the package.
        digest: SHA-256 over the names and the content of its files.
        fold: The fold whose training part it learned from; None for a refit on all data.
        seed: Training seed.
        epochs: Number of epochs behind its weights, over all stages.
    """

    folder: str
    digest: str
    fold: int | None
    seed: int
    epochs: int


class PackagedEncoder(Strict):
    """A reference to a pretrained encoder, which is not part of the package.

    Attributes:
        citation: Model, revision and layers.
        digest: Digest of its files.
    """

    citation: str
    digest: str


class Lineage(Strict):
    """The sources of a package. An empty string means a source that is unknown.

    Attributes:
        corpus: Name of the corpus.
        manifest_hash: Version of the corpus.
        split_id: Identity of the splits.
        dvc_revision: Git commit of the DVC files that hold manifest and splits.
        git_commit: Commit of the code that trained, followed by ``-dirty`` if files differed.
        image: Image of the steps, by digest.
        sbom: Digest of the image's SBOM.
        benchmark_run: MLflow run of the benchmark.
        variant_run: MLflow run of the variant.
        fold_fingerprints: Fingerprints of the folds that chose the variant and its epochs.
        environment: Versions of the software that trained.
    """

    corpus: str
    manifest_hash: str
    split_id: str
    dvc_revision: str
    git_commit: str
    image: str
    sbom: str
    benchmark_run: str
    variant_run: str
    fold_fingerprints: tuple[str, ...]
    environment: str


class ModelPackage(Strict):
    """The description of a package, except for its predictions and calibration.

    Attributes:
        kind: ``refit`` on all data, or ``ensemble`` of the fold models.
        variant: ``model:preset``.
        task: Name of the task; packages of earlier versions do not say it.
        scale: Lowest and highest value of a score; None for emotions.
        taxonomy: Name of the taxonomy.
        classes: Emotion classes in the order of the probabilities; empty for a score.
        modalities: Modalities that the model reads.
        transcripts: Kind of transcripts that it reads; None if it reads none.
        protocol: Protocol of the cross-validation behind it.
        selection: The rule that chose the epochs of the folds.
        promotable: True if no test data were used for any choice.
        members: Its models.
        fold_epochs: Chosen epoch of each fold and seed, counted across all stages, from which a refit's epochs follow.
        encoders: References to the pretrained encoders, by role.
        training_seconds: Durations of the training utterances, shortest and longest, in seconds.
        synthetic: True if the corpus is merflow's synthetic one.
        data_licence: Licence of the corpus in words.
        validation: Outcome of the corpus validation; None if it is unknown.
        lineage: Sources.
        files: SHA-256 of every file of members, evidence and calibration, by path relative to the package.
    """

    kind: Kind
    variant: str
    task: TaskName = EMOTION
    scale: tuple[FiniteFloat, FiniteFloat] | None = None
    taxonomy: str
    classes: tuple[str, ...]
    modalities: tuple[Modality, ...]
    transcripts: str | None
    protocol: Protocol
    selection: Selection
    promotable: bool
    members: tuple[Member, ...]
    fold_epochs: tuple[int, ...]
    encoders: dict[Role, PackagedEncoder]
    training_seconds: tuple[FiniteFloat, FiniteFloat]
    synthetic: bool
    data_licence: str
    validation: Validation | None
    lineage: Lineage
    files: dict[str, str]

    @property
    def predicted(self) -> Task:
        """The task that the models learned, with its classes or its scale."""
        if self.task == EMOTION or self.scale is None:
            return Classification(self.classes)
        low, high = self.scale
        return replace(SCALES[self.task], low=low, high=high)

    @model_validator(mode="after")
    def _has_scale(self) -> "ModelPackage":
        if (self.task == EMOTION) != (self.scale is None):
            raise ValueError(f"task is {self.task}, but scale is {self.scale}")
        return self

    @property
    def made(self) -> str:
        """A phrase that says how the models were made."""
        if self.kind == "refit":
            return f"refitted on all data for {plural(self.members[0].epochs, 'epoch')}"
        return f"an ensemble of {plural(len(self.members), 'fold model')}"


def write_package(folder: Path, package: ModelPackage) -> None:
    """Write ``package.json``, after all other files, because it makes a folder a package.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / PACKAGE, package, number=FORMAT)


def read_package(folder: Path) -> ModelPackage:
    """Read ``package.json``.

    Raises:
        ModelError: The folder is not a package.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / PACKAGE
    if not path.is_file():
        raise ModelError(f"{folder} is not a model package: {PACKAGE} is missing; {REMEDY}")
    return read_typed(ModelPackage, path, number=FORMAT, remedy=REMEDY)
