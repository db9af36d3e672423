"""The way back from a trained model or a run to its data, splits, code and encoders.

The fold record in the model folder says what a model was trained on. The project around the current folder (git and
``dvc.lock``) says which of its revisions has these data, and whether the files here are the same.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from merflow.contracts.fold_record import FOLD_RECORD, FoldRecord, read_fold_record
from merflow.errors import MerflowError, ModelError
from merflow.jobs.data_versions import FileRevisions, Here, read_here
from merflow.runs.fold_folder import MODEL, RECORD, folds_below, is_fold, read_record
from merflow.runs.run_folder import read_run
from merflow.tracking import lookup
from merflow.tracking.lookup import Tracked, Version
from merflow.versioning.project import Project


@dataclass(frozen=True)
class Training:
    """One trained fold.

    Attributes:
        location: Its folder, or its run in MLflow.
    """

    location: str
    record: FoldRecord

    def plain(self) -> dict[str, Any]:
        """Return the training as JSON values."""
        record = self.record
        origin = None if record.origin is None else {"base": record.origin.base, **record.origin.tuned}
        return {
            "location": self.location,
            "variant": record.variant,
            "fold": record.fold,
            "seed": record.seed,
            "selection": str(record.selection),
            "promotable": record.promotable,
            "stages": list(record.stages),
            "regime": record.regime.note,
            "transcripts": record.transcripts,
            "git_commit": record.git_commit,
            "origin": origin or {},
            "merflow_version": record.environment.merflow,
            "config": record.config,
            "recipe": record.recipe_settings,
            "params": record.training.model_dump(),
            "manifest_hash": record.manifest_hash,
            "split_id": record.split_id,
            "encoders": {
                role: {"key": encoder.key, "name": encoder.spec.name, "revision": encoder.spec.revision}
                for role, encoder in record.encoders.items()
            },
        }


@dataclass(frozen=True)
class DataVersion:
    """A manifest and splits that models were trained on, with the revisions of this project that contain them."""

    corpus: str
    manifest_hash: str
    split_id: str
    split_params: dict[str, Any]
    manifest: FileRevisions
    splits: FileRevisions


@dataclass(frozen=True)
class CodeVersion:
    """A commit that trained folds.

    Attributes:
        commit: The commit; empty if the record has none.
        changed: True if files differed from the commit.
        known: True if this checkout has the commit; None outside a checkout.
        here: True if it is checked out here.
    """

    commit: str
    changed: bool
    known: bool | None
    subject: str | None
    date: str | None
    tags: tuple[str, ...]
    here: bool


@dataclass(frozen=True)
class Lineage:
    """The origin of a model or a run.

    Attributes:
        reference: The reference as it was given.
        kind: Kind of object that it names, for people.
        registered: The model version, if the reference is one.
        project: Root of the enclosing project; None outside a project.
        mismatches: Sentences about data or code that differ here or are in no revision.
    """

    reference: str
    kind: str
    registered: Version | None
    project: str | None
    trainings: tuple[Training, ...]
    data: tuple[DataVersion, ...]
    code: tuple[CodeVersion, ...]
    mismatches: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return the lineage as JSON values."""
        return {**asdict(replace(self, trainings=())), "trainings": [training.plain() for training in self.trainings]}


@dataclass(frozen=True)
class _Subject:
    kind: str
    trainings: tuple[Training, ...]
    registered: Version | None = None


def lineage(reference: str, *, uri: str | None, around: Path) -> Lineage:
    """Trace a model or a run back to its data, code, encoders and settings.

    Args:
        reference: A model folder, a fold's folder or a benchmark's folder; or in MLflow a run's id or a model version
            (``models:/name/3``, ``name@alias``).
        uri: MLflow's server or database; None if none is named.
        around: A folder of the project whose revisions are searched.

    Raises:
        MerflowError: The reference is none of these, or its record is missing, damaged, or from another version.
    """
    subject = _on_disk(Path(reference)) if Path(reference).exists() else _tracked(reference, uri=uri)
    project = Project.around(around)
    here = read_here(project)
    data = _data(subject, here)
    commits = sorted({training.record.git_commit for training in subject.trainings})
    code = tuple(_code(commit, project) for commit in commits)
    return Lineage(
        reference=reference,
        kind=subject.kind,
        registered=subject.registered,
        project=None if project is None else str(project.root),
        trainings=subject.trainings,
        data=data,
        code=code,
        mismatches=(*_mixed(subject), *_elsewhere(data, here), *_unrepeatable(code)),
    )


def _on_disk(folder: Path) -> _Subject:
    """Read a model folder, a fold's folder or a benchmark's."""
    if is_fold(folder):
        return _Subject("fold", (Training(str(folder / MODEL), read_record(folder)),))
    if folder.is_dir() and folds_below(folder):
        folds = read_run(folder).folds.values()
        return _Subject("benchmark", tuple(Training(str(fold.folder / MODEL), fold.record) for fold in folds))
    try:
        return _Subject("model folder", (Training(str(folder), read_fold_record(folder)),))
    except ModelError as error:
        raise MerflowError(
            f"{folder} is not a model folder ({FOLD_RECORD}), a trained fold ({RECORD}) or a folder of trained folds"
        ) from error


def _tracked(reference: str, *, uri: str | None) -> _Subject:
    """Read a run of MLflow, or the run that a model version comes from."""
    if not (lookup.is_run(reference) or lookup.is_version(reference)):
        raise MerflowError(
            f"{reference!r} is not a folder here, an MLflow run (32 hexadecimal digits) or a model version "
            "(models:/NAME/3, NAME@ALIAS)"
        )
    if uri is None:
        raise MerflowError(
            f"{reference} is in MLflow, and no tracking server is given; name it: --tracking http://HOST:PORT, or "
            "--tracking sqlite:///runs/demo/mlflow.db"
        )
    connection = lookup.existing(uri)
    version = None if lookup.is_run(reference) else lookup.version_of(connection, reference)
    run = lookup.run_of(connection, reference if version is None else version.run_id)
    with tempfile.TemporaryDirectory() as folder:
        trainings = [
            _of_run(each, lookup.fetch(connection, each, RECORD, into=Path(folder, each.run_id)))
            for each in lookup.fold_runs(connection, run)
        ]
    if not trainings:
        raise MerflowError(f"run {run.run_id} ({run.name}) has no trained fold in MLflow at {uri}")
    return _Subject(f"MLflow run, {run.kind}", tuple(trainings), registered=version)


def _of_run(run: Tracked, record: Path | None) -> Training:
    if record is None:
        raise MerflowError(
            f"run {run.run_id} ({run.name}) has no {RECORD} among its artifacts: it is unfinished, not uploaded, or "
            "was logged by an earlier merflow; train the fold again with the command that trained it"
        )
    return Training(f"run {run.run_id} ({run.name})", read_fold_record(record.parent))


def _data(subject: _Subject, here: Here) -> tuple[DataVersion, ...]:
    """Return every pair of manifest and splits used for training, and the revisions that contain them."""
    records = {(each.record.manifest_hash, each.record.split_id): each.record for each in reversed(subject.trainings)}
    return tuple(
        DataVersion(
            corpus=record.corpus,
            manifest_hash=record.manifest_hash,
            split_id=record.split_id,
            split_params=record.split_params.model_dump(),
            manifest=here.revisions("manifest", md5=record.data_md5.manifest, identity=record.manifest_hash),
            splits=here.revisions("splits", md5=record.data_md5.splits, identity=record.split_id),
        )
        for record in reversed(records.values())
    )


def _code(commit: str, project: Project | None) -> CodeVersion:
    """Return what this checkout knows about a commit."""
    name, dash, _ = commit.partition("-dirty")
    known = project.commit(name) if project and name else None
    head = project.commit("HEAD") if project else None
    return CodeVersion(
        commit=name,
        changed=bool(dash),
        known=None if project is None or not name else known is not None,
        subject=known.subject if known else None,
        date=known.date if known else None,
        tags=known.tags if known else (),
        here=bool(known and head and known.id == head.id),
    )


def _mixed(subject: _Subject) -> list[str]:
    """Return sentences about folds that do not belong together."""
    records = [training.record for training in subject.trainings]
    versions = {
        "corpus versions": sorted({record.manifest_hash for record in records}),
        "splits": sorted({record.split_id for record in records}),
    }
    return [
        f"these folds were trained on different {what}: {', '.join(values)}"
        for what, values in versions.items()
        if len(values) > 1
    ]


def _elsewhere(data: Sequence[DataVersion], here: Here) -> list[str]:
    """Return sentences about data that this project does not have, or that differ from the files here."""
    return [
        sentence
        for each in data
        for sentence in [
            *here.differences("manifest", revisions=each.manifest, identity=each.manifest_hash),
            *here.differences("splits", revisions=each.splits, identity=each.split_id),
        ]
    ]


def _unrepeatable(code: Sequence[CodeVersion]) -> list[str]:
    """Return sentences about code that cannot be checked out here."""
    sentences = []
    for each in code:
        if not each.commit:
            sentences.append("trained outside a git checkout: the record has no commit")
        elif each.changed:
            sentences.append(f"trained with uncommitted changes on top of commit {each.commit[:12]}")
        elif each.known is False:
            sentences.append(f"commit {each.commit[:12]} is not in this checkout; git fetch --all may bring it")
    return sentences
