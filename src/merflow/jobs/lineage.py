"""From a trained model or a run back to the data, the splits, the code and the encoders that it was made from.

What a training stands on is in its model card. The project around the current folder (git, and ``dvc.lock``) says which
of its revisions holds these data, and whether the files here are the same.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from merflow.errors import MerflowError
from merflow.jobs.data_versions import Here, read_here
from merflow.models.folder import CARD, ModelCard, read_card
from merflow.runs import fold_folder
from merflow.runs.run_folder import read_run
from merflow.storage.local import read_json
from merflow.tracking import lookup
from merflow.tracking.lookup import Tracked
from merflow.versioning.project import Project

# What the card shares with the facts of its fold and the tags of its run.
_SHARED = ("manifest_hash", "split_id", "corpus", "selection")


@dataclass(frozen=True)
class Training:
    """One trained fold.

    Attributes:
        place: Its folder, or its run.
        told: What else tells of it: a name for people, and the values.
    """

    place: str
    card: ModelCard
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What was asked about.

    Attributes:
        kind: For people.
        registered: The model version, where it was one.
    """

    kind: str
    trainings: tuple[Training, ...]
    registered: Mapping[str, Any] | None = None


def lineage(reference: str, *, uri: str | None, around: Path) -> dict[str, Any]:
    """Where a model or a run comes from, as plain values: ``trainings``, ``data``, ``code``, ``mismatches``.

    Args:
        reference: A model folder, a fold's folder, a benchmark's folder; or in MLflow a run's id, or a model version
            (``models:/name/3``, ``name@alias``).
        uri: MLflow's server or database; None where none is named.
        around: A folder of the project whose revisions are searched.

    Raises:
        MerflowError: The reference is nothing of the kind, or its record is missing or garbled.
    """
    subject = _on_disk(Path(reference)) if Path(reference).exists() else _tracked(reference, uri=uri)
    project = Project.around(around)
    here = read_here(project)
    data = _data(subject, here)
    commits = sorted({training.card.git_commit for training in subject.trainings})
    code = [_code(commit, project) for commit in commits]
    return {
        "reference": reference,
        "kind": subject.kind,
        "registered": subject.registered,
        "project": None if project is None else str(project.root),
        "trainings": [_facts(training) for training in subject.trainings],
        "data": data,
        "code": code,
        "mismatches": [*_contradictions(subject), *_elsewhere(data, here), *_unrepeatable(code)],
    }


def _on_disk(place: Path) -> Subject:
    """A model folder, a fold's folder or a benchmark's."""
    if (place / CARD).is_file():
        return Subject("model folder", (_training(place),))
    if (place / fold_folder.FACTS).is_file():
        return Subject("fold", (_training(place / fold_folder.MODEL),))
    if not any(place.rglob(fold_folder.FACTS)):
        raise MerflowError(
            f"{place} is no model folder ({CARD}), no trained fold ({fold_folder.FACTS}), and there is none below it"
        )
    return Subject("benchmark", tuple(_training(fold / fold_folder.MODEL) for fold in read_run(place).folds.values()))


def _training(model: Path) -> Training:
    facts = model.parent / fold_folder.FACTS
    return Training(
        place=str(model), card=read_card(model), told={fold_folder.FACTS: read_json(facts)} if facts.is_file() else {}
    )


def _tracked(reference: str, *, uri: str | None) -> Subject:
    """A run of MLflow, or the run that a model version comes from."""
    if not (lookup.is_run(reference) or lookup.is_version(reference)):
        raise MerflowError(
            f"{reference!r} is no folder here, no run of MLflow (32 hexadecimal digits) and no model version "
            "(models:/NAME/3, NAME@ALIAS)"
        )
    if uri is None:
        raise MerflowError(
            f"{reference} is in MLflow, and nothing says where that is; name it: --tracking http://HOST:PORT, or "
            "--tracking sqlite:///runs/demo/mlflow.db"
        )
    connection = lookup.existing(uri)
    version = None if lookup.is_run(reference) else lookup.version_of(connection, reference)
    run = lookup.run_of(connection, reference if version is None else version.run_id)
    with tempfile.TemporaryDirectory() as folder:
        trainings = [
            _of_run(each, lookup.fetch(connection, each, f"{fold_folder.MODEL}/{CARD}", into=Path(folder, each.run_id)))
            for each in lookup.fold_runs(connection, run)
        ]
    if not trainings:
        raise MerflowError(f"run {run.run_id} ({run.name}) has no trained fold in MLflow at {uri}")
    registered = None if version is None else asdict(version)
    return Subject(f"MLflow run, {run.kind}", tuple(trainings), registered=registered)


def _of_run(run: Tracked, card: Path | None) -> Training:
    if card is None:
        raise MerflowError(
            f"run {run.run_id} ({run.name}) holds no {fold_folder.MODEL}/{CARD}: it is unfinished or not uploaded"
        )
    tags = {name: run.tags[name] for name in _SHARED if name in run.tags}
    return Training(place=f"run {run.run_id} ({run.name})", card=read_card(card.parent), told={"MLflow's tags": tags})


def _facts(training: Training) -> dict[str, Any]:
    card = training.card
    return {
        "place": training.place,
        "variant": f"{card.model}:{card.preset}",
        **card.model_dump(
            include={"fold", "seed", "selection", "stages", "transcripts", "git_commit", "origin"}, mode="json"
        ),
        **card.model_dump(include={"merflow_version", "config", "recipe", "params", "manifest_hash", "split_id"}),
        "encoders": {
            role: {"key": card.encoder_keys[role], "name": spec.name, "revision": spec.revision}
            for role, spec in card.profile.items()
        },
    }


def _data(subject: Subject, here: Here) -> list[dict[str, Any]]:
    """Every pair of manifest and splits that the trainings stand on, and where each is on record."""
    found: dict[tuple[str, str], ModelCard] = {}
    for training in subject.trainings:
        found.setdefault((training.card.manifest_hash, training.card.split_id), training.card)
    return [
        {
            "corpus": card.corpus,
            "manifest_hash": card.manifest_hash,
            "split_id": card.split_id,
            "split_params": card.split_params,
            "manifest": here.record("manifest", md5=card.data_md5["manifest"], identity=card.manifest_hash),
            "splits": here.record("splits", md5=card.data_md5["splits"], identity=card.split_id),
        }
        for card in found.values()
    ]


def _code(commit: str, project: Project | None) -> dict[str, Any]:
    """What this checkout knows of a commit; ``known`` is None outside of one."""
    name, dash, _ = commit.partition("-dirty")
    found = project.commit(name) if project and name else None
    head = project.commit("HEAD") if project else None
    return {
        "commit": name,
        "changed": bool(dash),
        "known": None if project is None or not name else found is not None,
        "subject": found and found.subject,
        "date": found and found.date,
        "tags": list(found.tags) if found else [],
        "here": bool(found and head and found.id == head.id),
    }


def _contradictions(subject: Subject) -> list[str]:
    """What two records of the same training say differently, and folds that do not belong together."""
    said = [
        f"{training.place}: its card says {name} {card[name]}, {who} {values[name]}"
        for training in subject.trainings
        for card in [training.card.model_dump()]
        for who, values in training.told.items()
        for name in _SHARED
        if name in values and values[name] != card[name]
    ]
    for name in ("manifest_hash", "split_id"):
        values = sorted({getattr(training.card, name) for training in subject.trainings})
        if len(values) > 1:
            said.append(f"these folds were trained with different {name}s: {', '.join(values)}")
    return said


def _elsewhere(data: Sequence[Mapping[str, Any]], here: Here) -> list[str]:
    """Data that this project does not know, or that differ from the files here."""
    return [
        said
        for each in data
        for said in [
            *here.differences("manifest", record=each["manifest"], identity=each["manifest_hash"]),
            *here.differences("splits", record=each["splits"], identity=each["split_id"]),
        ]
    ]


def _unrepeatable(code: Sequence[Mapping[str, Any]]) -> list[str]:
    said = []
    for each in code:
        if not each["commit"]:
            said.append("trained outside a git checkout: no commit is on record")
        elif each["changed"]:
            said.append(f"trained with changes on top of commit {each['commit'][:12]}, which are on no record")
        elif each["known"] is False:
            said.append(f"commit {each['commit'][:12]} is not in this checkout; git fetch --all may bring it")
    return said
