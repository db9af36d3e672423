"""Corpora in S3: in the workspace, or under an address of their own (``root: s3://bucket/prefix``)."""

from pathlib import Path
from typing import TYPE_CHECKING

from merflow.errors import StorageError
from merflow.jobs.steps.shared_files import SharedFiles

if TYPE_CHECKING:
    from merflow.runs.remote.workspace import RemoteWorkspace
    from merflow.storage.s3.address import S3Address

_SCHEME = "s3://"
_CHECK = "pass the address of its folder, or of its table"


def corpus_digest(root: str, shared: SharedFiles) -> str | None:
    """Return a digest of the names, sizes and tags of a corpus in S3; None for one that is not in S3.

    Raises:
        StorageError: There is none at this address.
    """
    found = _in_s3(root, shared)
    if found is None:
        return None
    remote, folder, _ = found
    digest = remote.digest_of(folder)
    if not digest:
        raise StorageError(f"there is no corpus at {folder}; {_CHECK}")
    return digest


def fetch_corpus(root: str, shared: SharedFiles) -> Path | None:
    """Fetch a corpus if it is in S3, and return its path on this machine; None for one that is generated.

    Raises:
        StorageError: There is none at this address, or a file of it arrives damaged again and again.
    """
    found = _in_s3(root, shared)
    if found is None:
        return Path(root) if root else None
    remote, folder, path = found
    if not remote.fetch_below(path.parent if _is_table(root) else path):
        raise StorageError(f"there is no corpus at {folder}; {_CHECK}")
    return path


def fetch_generated(shared: SharedFiles, *, name: str) -> None:
    """Fetch a corpus that an earlier step has generated."""
    shared.fetch_below(shared.workspace.corpus / name)


def publish_generated(shared: SharedFiles, *, name: str) -> None:
    """Upload the folder of a corpus that was generated in the workspace."""
    if shared.remote is not None:
        shared.remote.publish((shared.workspace.corpus / name).absolute())


def fetch_recordings(manifest: Path, shared: SharedFiles, *, video: bool) -> None:
    """Fetch the recordings of a manifest, and its videos where they are read."""
    if shared.remote is None:
        return
    from merflow.corpus.manifest import read_manifest

    read = read_manifest(manifest)
    columns = ["audio_path", "video_path"] if video else ["audio_path"]
    wanted = {str(path) for column in columns for path in read.rows[column].dropna().unique()}
    if wanted and shared.holds(read.root):
        shared.remote.fetch_below(read.root, wanted=wanted.__contains__)


def _in_s3(root: str, shared: SharedFiles) -> "tuple[RemoteWorkspace, S3Address, Path] | None":
    """Return who fetches a corpus, the address of its folder, and its path here; None if it is not in S3."""
    if root.startswith(_SCHEME):
        from merflow.storage.s3.address import S3Address

        remote = shared.remote or _only_corpora(shared)
        path = remote.path_of(S3Address.parse(root))
    elif shared.remote is not None and root and shared.holds(Path(root)):
        remote, path = shared.remote, Path(root).absolute()
    else:
        return None
    return remote, remote.address_of(path.parent if _is_table(root) else path), path


def _only_corpora(shared: SharedFiles) -> "RemoteWorkspace":
    """Return a connection for corpora of a workspace on a volume, which has no address itself."""
    from merflow.runs.remote.workspace import RemoteWorkspace
    from merflow.storage.s3.address import S3Address
    from merflow.storage.s3.client import connect

    return RemoteWorkspace(shared.workspace.root.resolve(), S3Address("none"), client=connect())


def _is_table(root: str) -> bool:
    return Path(root).suffix.lower() == ".csv"
