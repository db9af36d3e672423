"""The manifest and the splits of a DVC project: in the working tree, in every revision, and on a remote."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merflow.contracts.dvc_versions import DvcFile, DvcVersions
from merflow.contracts.progress import say
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import CorpusError, SplitError, VersioningError
from merflow.storage.local import file_md5
from merflow.versioning.project import Commit, Project
from merflow.versioning.remote import Remote

What = Literal["manifest", "splits"]
# Stages whose outputs are the versions of the data: tables and pages, never recordings, features or models.
STAGES = ("index", "validate", "transcribe", "split")
_SPLIT = "split"


@dataclass(frozen=True)
class FileRevisions:
    """The revisions of a project that contain a file.

    Attributes:
        md5: MD5 of the file's bytes.
        commits: Commits whose ``dvc.lock`` names the file, the oldest first.
        tags: Tags whose ``dvc.lock`` names it.
        here: True if ``dvc.lock`` in the working tree names it.
        unread: Number of recorded versions missing from DVC's cache, whose content cannot be compared.
    """

    md5: str
    commits: tuple[Commit, ...] = ()
    tags: tuple[str, ...] = ()
    here: bool = False
    unread: int = 0


@dataclass(frozen=True)
class Here:
    """The manifest and the splits of a project.

    Attributes:
        project: The project; None outside a project.
        files: Their paths in the working tree, relative to the project; empty if ``split`` has not been run.
        identities: Manifest hash and split id of these files, if the files exist.
    """

    project: Project | None
    files: dict[What, str]
    identities: dict[What, str]

    def revisions(self, what: What, *, md5: str, identity: str) -> FileRevisions:
        """Find the revisions that contain a file: by its bytes, or else by its content, in DVC's cached versions."""
        if self.project is None:
            return FileRevisions(md5)
        known, unread = self.project.revisions(md5), 0
        if not (known.commits or known.here) and what in self.files:
            others = self.project.versions(self.files[what])
            cached = {other: self.project.cached(other) for other in others}
            unread = sum(path is None for path in cached.values())
            same = [other for other, path in cached.items() if path and _identity(what, path) == identity]
            if same:
                md5, known = same[0], self.project.revisions(same[0])
        return FileRevisions(md5, known.commits, known.tags, known.here, unread)

    def differences(self, what: What, *, revisions: FileRevisions, identity: str) -> list[str]:
        """Return sentences about how a training run's file differs from this project's."""
        if self.project is None:
            return []
        sentences = []
        named = next(iter([*revisions.tags, *(commit.id[:12] for commit in revisions.commits)]), None)
        if what in self.identities and self.identities[what] != identity:
            back = f"; git checkout {named} and merflow data pull bring them back" if named else ""
            sentences.append(f"{self.files[what]} here is {self.identities[what]}, trained on {what} {identity}{back}")
        if named is None and not revisions.here:
            unread = f"; {revisions.unread} version(s) are not in DVC's cache, dvc fetch --all-commits brings them"
            sentences.append(
                f"{what} {identity} is in no revision of {self.project.root}" + (unread if revisions.unread else "")
            )
        return sentences


def read_here(project: Project | None) -> Here:
    """Read the project's manifest and splits."""
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


def recorded_versions(around: Path) -> DvcVersions | None:
    """Return the manifest and the splits that ``dvc.lock`` records.

    Args:
        around: A folder in the project.

    Returns:
        None outside a project, or if it has no splits or its files differ from ``dvc.lock``.
    """
    here = read_here(Project.around(around))
    if here.project is None or set(here.identities) != {"manifest", "splits"}:
        return None
    files = {what: _recorded(what, here, here.project) for what in here.files}
    manifest, splits = files["manifest"], files["splits"]
    if manifest is None or splits is None:
        return None
    return DvcVersions(rev=here.project.lock_commit(), manifest=manifest, splits=splits)


def _recorded(what: What, here: Here, project: Project) -> DvcFile | None:
    path = here.files[what]
    md5 = project.recorded(path)
    if md5 is None or file_md5(project.root / path) != md5:
        return None
    try:
        url = Remote(project.root).address(md5)
    except VersioningError:  # the project has no default remote
        url = ""
    return DvcFile(path=path, md5=md5, identity=here.identities[what], url=url)


def push(around: Path, *, remote: str | None) -> None:
    """Upload manifests, splits and their summaries to the project's remote, and nothing else.

    Raises:
        VersioningError: There is no project or remote, the remote cannot be reached or refuses, or a file is missing.
    """
    project = _project(around)
    _say(project, f"{Remote(project.root, name=remote).push(STAGES)} file(s) pushed")


def pull(around: Path, *, remote: str | None) -> None:
    """Download the files of :func:`push` that this revision's ``dvc.lock`` names.

    Raises:
        VersioningError: There is no project or remote, or the remote cannot be reached, refuses, or lacks a file.
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
    versions = [f"{what} {identity} ({here.files[what]})" for what, identity in here.identities.items()]
    say("; ".join([done, *versions]))


def _identity(what: What, path: Path) -> str | None:
    """Return the manifest hash or split id of a file; None if it is missing or something else."""
    read: dict[What, Callable[[Path], str]] = {
        "manifest": lambda file: read_manifest(file).hash,
        "splits": lambda file: read_splits(file).split_id,
    }
    try:
        return read[what](path)
    except (CorpusError, SplitError):
        return None
