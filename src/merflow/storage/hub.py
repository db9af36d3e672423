"""Pretrained models as folders of files: what a folder must hold, and how one comes from the Hugging Face hub."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.errors import PretrainedError

_INDEX = ".index.json"  # of weights in several files
_DOCUMENTS = ("*.json", "*.txt")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PROBE_S = 10.0  # until a hub that does not answer counts as no network


@dataclass(frozen=True)
class ModelFiles:
    """What a model's folder must hold.

    Attributes:
        needed: Groups of names; one file of each group must be there.
        weights: Names of the weights, or of their index, of which one must be there; the first that is there is read.
    """

    needed: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...]

    def lacking(self, folder: Path) -> list[tuple[str, ...]]:
        """The groups that a folder has no file of; each lacking file of weights in several is a group.

        Raises:
            PretrainedError: The index of the weights is damaged.
        """
        groups = [*self.needed, self.weights]
        chosen = next((name for name in self.weights if (folder / name).is_file()), "")
        groups += [(name,) for name in shards_of(folder, chosen)]
        return [group for group in groups if not any((folder / name).is_file() for name in group)]

    def wanted(self, held: Iterable[str]) -> list[str]:
        """Names and patterns of what to download from a repository that holds these files."""
        names = set(held)
        chosen = next((name for name in self.weights if name in names), self.weights[0])
        stem, _, suffix = chosen.removesuffix(_INDEX).rpartition(".")
        shards = [f"{stem}-*.{suffix}"] if chosen.endswith(_INDEX) else []
        return [*_DOCUMENTS, chosen, *shards]


@dataclass(frozen=True)
class Advice:
    """What a person can do who asked for a model of the hub.

    Attributes:
        correct: Where he named it, for a model that the hub does not have.
        point: How he points to a folder in ``DIR`` that he fetched elsewhere.
    """

    correct: str
    point: str


def from_hub(repository: str, *, revision: str, files: ModelFiles, advice: Advice) -> Path:
    """The folder of a model of the hub in its cache on this machine; its name is the commit.

    A commit cannot change: where its folder is complete, the network is not asked. For a branch or tag it is, and where
    it does not answer, the copy on this machine counts. With HF_HUB_OFFLINE=1 nothing is ever asked.

    Args:
        repository: As ``microsoft/wavlm-large``.
        revision: A commit, branch or tag.
        files: What the folder must hold.
        advice: What to say where there is no such model, or no network.

    Raises:
        PretrainedError: There is no such repository or revision, or neither network nor copy.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined] # HTTPError is of the client it is built on
        GatedRepoError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    copy = _cached(repository, revision=revision, files=files)
    if copy is not None and is_commit(revision):
        return copy
    try:
        info = HfApi().model_info(repository, revision=revision, timeout=_PROBE_S)  # snapshot_download tries for long
        patterns = files.wanted(each.rfilename for each in info.siblings or ())
        return Path(snapshot_download(repository, revision=info.sha or revision, allow_patterns=patterns))
    except (RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError) as error:
        raise PretrainedError(
            f"the hub has no {repository} at revision {revision}, or does not let you read it: "
            f"{_first_line(error)}; correct {advice.correct}"
        ) from error
    except (OSError, HTTPError) as error:
        if copy is not None:
            return copy
        raise PretrainedError(
            f"{repository} at revision {revision} is not on this machine and the hub cannot be reached "
            f"({_first_line(error)}); where there is network, run `hf download {repository} --revision {revision} "
            f"--local-dir DIR/{repository.rpartition('/')[2]}`, bring the folder here and {advice.point}"
        ) from error


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit, which always means the same files."""
    return _COMMIT.fullmatch(revision) is not None


def shards_of(folder: Path, weights: str) -> list[str]:
    """Names of the files that an index of weights speaks of; none where the weights are one file.

    Raises:
        PretrainedError: The index is damaged.
    """
    if not weights.endswith(_INDEX):
        return []
    places = json_object(folder / weights).get("weight_map")
    if not isinstance(places, dict):
        raise PretrainedError(f"{folder / weights} has no weight_map; download the model again")
    return sorted(set(map(str, places.values())))


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object of a model's folder.

    Raises:
        PretrainedError: The file is missing, damaged or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PretrainedError(f"{path} is no readable JSON: {error}; download the model again") from error
    if not isinstance(values, dict):
        raise PretrainedError(f"{path} holds a {type(values).__name__}, expected an object; download the model again")
    return values


def files_digest(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over these files of a folder as 16 hexadecimal digits; the same wherever the folder lies."""
    sha = hashlib.sha256()
    for name in sorted(set(names)):
        with (folder / name).open("rb") as file:
            sha.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return sha.hexdigest()[:16]


def _cached(repository: str, *, revision: str, files: ModelFiles) -> Path | None:
    """The complete copy on this machine, None where there is none."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except OSError:
        return None
    except ValueError as error:
        raise PretrainedError(
            f"{repository!r} is no hub id ({error}); write it as microsoft/wavlm-large, or name a folder"
        ) from error
    return None if files.lacking(folder) else folder


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
