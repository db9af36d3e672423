"""The manifest and the splits of a DVC project: those here, those of every revision, and the way to a remote."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from merflow.contracts.progress import say
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import CorpusError, SplitError, VersioningError
from merflow.versioning.project import Project, Revisions
from merflow.versioning.remote import Remote

What = Literal["manifest", "splits"]
# Whose outputs are the versions of the data: tables and pages, never recordings, features or models.
STAGES = ("index", "validate", "transcribe", "split")
_SPLIT = "split"


@dataclass(frozen=True)
class Here:
    """What a project holds of its manifest and its splits.

    Attributes:
        project: None outside of a project.
        files: Where the working tree keeps them, relative to the project; empty where no ``split`` has run.
        identities: Manifest hash and split id of these files, where they are here.
    """

    project: Project | None
    files: dict[What, str]
    identities: dict[What, str]

    def record(self, what: What, *, md5: str, identity: str) -> dict[str, Any]:
        """Which revisions hold a file: by its bytes, or else by what is in it, of the versions that DVC's cache has.

        Returns:
            ``md5`` of the file, ``commits`` (the oldest first), ``tags``, ``here``, and ``unread``: versions on record
            whose content is not in the cache, so that nobody can tell.
        """
        if self.project is None:
            return {"md5": md5, "commits": [], "tags": [], "here": False, "unread": 0}
        found, unread = self.project.revisions(md5), 0
        if not (found.commits or found.here) and what in self.files:
            others = self.project.versions(self.files[what])
            cached = {other: self.project.cached(other) for other in others}
            unread = sum(place is None for place in cached.values())
            same = [other for other, place in cached.items() if place and _identity(what, place) == identity]
            if same:
                md5, found = same[0], self.project.revisions(same[0])
        return {"md5": md5, **_plain(found), "unread": unread}

    def differences(self, what: What, *, record: dict[str, Any], identity: str) -> list[str]:
        """How a training's data differ from what this project has, for people."""
        if self.project is None:
            return []
        said = []
        named = next(iter([*record["tags"], *(commit["id"][:12] for commit in record["commits"])]), None)
        if what in self.identities and self.identities[what] != identity:
            back = f"; git checkout {named} and merflow data pull bring them back" if named else ""
            said.append(f"{self.files[what]} here is {self.identities[what]}, trained on {what} {identity}{back}")
        if named is None and not record["here"]:
            unread = f"; {record['unread']} version(s) are not in DVC's cache, dvc fetch --all-commits brings them"
            said.append(
                f"{what} {identity} is in no revision of {self.project.root}" + (unread if record["unread"] else "")
            )
        return said


def read_here(project: Project | None) -> Here:
    """What the project holds."""
    if project is None:
        return Here(None, {}, {})
    reads, writes = project.files_of(_SPLIT)
    tables: dict[What, list[str]] = {"manifest": reads, "splits": writes}
    files: dict[What, str] = {
        what: table
        for what, paths in tables.items()
        for table in [next((path for path in paths if path.endswith(".parquet")), None)]
        if table
    }
    identities = {what: _identity(what, project.root / path) for what, path in files.items()}
    return Here(project, files, {what: identity for what, identity in identities.items() if identity})


def push(around: Path, *, remote: str | None) -> None:
    """Uploads manifests, splits and their summaries to the project's remote, and nothing else.

    Raises:
        VersioningError: No project or remote, it cannot be reached or refuses, or a file is not here.
    """
    project = _project(around)
    _say(project, f"{Remote(project.root, name=remote).push(STAGES)} file(s) pushed")


def pull(around: Path, *, remote: str | None) -> None:
    """Brings what :func:`push` uploaded here, as this revision's ``dvc.lock`` names it.

    Raises:
        VersioningError: As :func:`push`; or the remote lacks a file.
    """
    project = _project(around)
    _say(project, f"{Remote(project.root, name=remote).pull(STAGES)} file(s) fetched")


def _project(around: Path) -> Project:
    project = Project.around(around)
    if project is None:
        raise VersioningError(
            f"{around.resolve()} is in no git checkout with DVC; go to one that holds dvc.yaml and .dvc"
        )
    return project


def _say(project: Project, done: str) -> None:
    here = read_here(project)
    told = [f"{what} {identity} ({here.files[what]})" for what, identity in here.identities.items()]
    say("; ".join([done, *told]))


def _plain(found: Revisions) -> dict[str, Any]:
    return {"commits": [asdict(commit) for commit in found.commits], "tags": list(found.tags), "here": found.here}


def _identity(what: What, place: Path) -> str | None:
    """Manifest hash or split id of a file; None where it is missing or another thing."""
    read: dict[What, Callable[[Path], str]] = {
        "manifest": lambda path: read_manifest(path).hash,
        "splits": lambda path: read_splits(path).split_id,
    }
    try:
        return read[what](place)
    except (CorpusError, SplitError):
        return None
