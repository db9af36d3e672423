"""Folders of pretrained models: the files that each must contain, and the download from the Hugging Face hub."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.errors import PretrainedError
from merflow.storage.fingerprints import file_sha256

_INDEX = ".index.json"  # suffix of the index of weights in several files
_DOCUMENTS = ("*.json", "*.txt")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LARGE_BYTES = 64 << 20  # the hub stores larger files outside of git
_PROBE_S = 10.0  # time for the hub to answer before it counts as unreachable


@dataclass(frozen=True)
class ModelFiles:
    """Files that a model's folder must contain.

    Attributes:
        needed: Groups of names; the folder must contain one file of each group.
        weights: Names of the weights, or of their index; the folder must contain one, and the first of them is read.
    """

    needed: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...]

    def lacking(self, folder: Path) -> list[tuple[str, ...]]:
        """Return the groups of which a folder has no file; if weights are sharded, each missing shard is a group.

        Raises:
            PretrainedError: The index of the weights is damaged.
        """
        groups = [*self.needed, self.weights]
        chosen = next((name for name in self.weights if (folder / name).is_file()), "")
        groups += [(name,) for name in shards_of(folder, chosen)]
        return [group for group in groups if not any((folder / name).is_file() for name in group)]

    def to_download(self, available: Iterable[str]) -> list[str]:
        """Return names and patterns of the files to download from a repository that contains these files."""
        names = set(available)
        chosen = next((name for name in self.weights if name in names), self.weights[0])
        stem, _, suffix = chosen.removesuffix(_INDEX).rpartition(".")
        shards = [f"{stem}-*.{suffix}"] if chosen.endswith(_INDEX) else []
        return [*_DOCUMENTS, chosen, *shards]


@dataclass(frozen=True)
class Advice:
    """Advice for error messages about a model of the hub.

    Attributes:
        correct: The setting that names the model, to be corrected if the hub does not have it.
        point: Advice on using a folder ``DIR`` that was downloaded elsewhere.
    """

    correct: str
    point: str


def from_hub(repository: str, *, revision: str, files: ModelFiles, advice: Advice) -> Path:
    """Return the folder of a hub model in the cache of this machine; the folder's name is the commit.

    A commit cannot change, so the network is not used if its folder is complete. For a branch or tag, the hub is asked
    for the commit; if it does not respond, the cached copy is used. With HF_HUB_OFFLINE=1, the network is never used.

    Args:
        repository: Name of the repository, such as ``microsoft/wavlm-large``.
        revision: A commit, branch or tag.
        files: Files that the folder must contain.
        advice: Advice for error messages.

    Raises:
        PretrainedError: The repository or revision does not exist, or there is neither a network nor a copy.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined] # HTTPError belongs to its HTTP client
        GatedRepoError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    copy = _cached(repository, revision=revision, files=files)
    if copy is not None and is_commit(revision):
        return copy
    try:
        info = HfApi().model_info(
            repository, revision=revision, timeout=_PROBE_S
        )  # snapshot_download would retry for long
        patterns = files.to_download(each.rfilename for each in info.siblings or ())
        return Path(snapshot_download(repository, revision=info.sha or revision, allow_patterns=patterns))
    except (RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError) as error:
        raise PretrainedError(
            f"the hub has no {repository} at revision {revision}, or you may not read it: "
            f"{_first_line(error)}; correct {advice.correct}"
        ) from error
    except (OSError, HTTPError) as error:
        if copy is not None:
            return copy
        raise PretrainedError(
            f"{repository} at revision {revision} is not on this machine and the hub cannot be reached "
            f"({_first_line(error)}); on a machine with network, run `hf download {repository} --revision {revision} "
            f"--local-dir DIR/{repository.rpartition('/')[2]}`, copy the folder here and {advice.point}"
        ) from error


def is_commit(revision: str) -> bool:
    """Return True if a revision is a commit, which always has the same files."""
    return _COMMIT.fullmatch(revision) is not None


def shards_of(folder: Path, weights: str) -> list[str]:
    """Return the names of the files that an index of weights lists; empty if the weights are a single file.

    Raises:
        PretrainedError: The index is damaged.
    """
    if not weights.endswith(_INDEX):
        return []
    weight_map = json_object(folder / weights).get("weight_map")
    if not isinstance(weight_map, dict):
        raise PretrainedError(f"{folder / weights} has no weight_map; download the model again")
    return sorted(set(map(str, weight_map.values())))


def json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of a model's folder.

    Raises:
        PretrainedError: The file is missing, damaged or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PretrainedError(f"{path} is not readable JSON: {error}; download the model again") from error
    if not isinstance(values, dict):
        raise PretrainedError(f"{path} holds a {type(values).__name__}, expected an object; download the model again")
    return values


def files_digest(folder: Path, names: Iterable[str]) -> str:
    """Return the SHA-256 of these files of a folder as 16 hexadecimal digits, independent of the folder's location."""
    sha = hashlib.sha256()
    for name in sorted(set(names)):
        sha.update(f"{name} {file_sha256(folder / name)}\n".encode())
    return sha.hexdigest()[:16]


def commit_of(folder: Path, names: Iterable[str]) -> str | None:
    """Return the commit from which ``hf download --local-dir`` got these files; None if any file cannot be proven.

    The download records the commit and the hub's checksum of each file. A file that was changed later has another one.
    """
    commits = set()
    for name in names:
        note = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
        words = note.read_text(encoding="utf-8").split() if note.is_file() else []
        commit, checksum = words[:2] if len(words) > 1 else ("", "")
        if not is_commit(commit) or checksum not in (file_sha256(folder / name), _git_blob(folder / name)):
            return None
        commits.add(commit)
    return commits.pop() if len(commits) == 1 else None


def _git_blob(path: Path) -> str:
    """Return git's checksum, which the hub uses for small files; empty for a file that is too large."""
    if path.stat().st_size > _LARGE_BYTES:
        return ""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _cached(repository: str, *, revision: str, files: ModelFiles) -> Path | None:
    """Return the complete copy on this machine, or None if there is none."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except OSError:
        return None
    except ValueError as error:
        raise PretrainedError(
            f"{repository!r} is not a hub id ({error}); write it as microsoft/wavlm-large, or name a folder"
        ) from error
    return None if files.lacking(folder) else folder


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
