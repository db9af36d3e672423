"""Files of the Hugging Face hub, in its own cache on this machine."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.errors import FeatureError

_DOCUMENTS = ("*.json", "*.txt")


def snapshot(repository: str, *, revision: str, files: Sequence[str], weights: Sequence[str]) -> Path:
    """The cached folder of a repository at a revision, downloaded where the cache lacks it; its name is the commit.

    Nothing is asked of the network where the cache is complete, or with HF_HUB_OFFLINE=1.

    Args:
        repository: As ``microsoft/wavlm-large``.
        revision: A commit, branch or tag.
        files: The config, then files of which one makes the processor.
        weights: Names of weights in order of preference; the first that the repository has is downloaded.

    Raises:
        FeatureError: There is no such repository or revision, or no network.
    """
    from huggingface_hub import list_repo_files, snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined] # HTTPError is of the client it is built on
        GatedRepoError,
        HTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        if _complete(folder, files, weights):
            return folder
    except OSError:
        pass  # not in the cache
    except ValueError as error:  # no well-formed id
        raise FeatureError(f"{repository!r} is no hub id ({error}); write it as microsoft/wavlm-large") from error
    try:
        held = list_repo_files(repository, revision=revision)
        chosen = next((name for name in weights if name in held), weights[0])
        shards = [name for name in held if chosen.endswith(".index.json") and _is_shard(name, chosen)]
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*_DOCUMENTS, chosen, *shards]))
    except (RepositoryNotFoundError, RevisionNotFoundError, GatedRepoError) as error:
        raise FeatureError(
            f"the hub has no {repository} at revision {revision}, or does not let you read it: "
            f"{str(error).splitlines()[0]}; correct `model` and `revision` in the profile"
        ) from error
    except (OSError, HTTPError) as error:
        raise FeatureError(_unreachable(repository, revision, error)) from error


def _complete(folder: Path, files: Sequence[str], weights: Sequence[str]) -> bool:
    config, *processors = files
    wanted = ([config], processors, weights)
    return all(any((folder / name).is_file() for name in names) for names in wanted)


def _is_shard(name: str, index: str) -> bool:
    stem, suffix = index.removesuffix(".index.json").rsplit(".", 1)
    return name.startswith(f"{stem}-") and name.endswith(f".{suffix}")


def _unreachable(repository: str, revision: str, error: Exception) -> str:
    name = repository.rpartition("/")[2]
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"{repository} at revision {revision} is not on this machine and the hub cannot be reached ({reason}); where "
        f"there is network, run `hf download {repository} --revision {revision} --local-dir DIR/{name}`, bring the "
        "folder here and set features.encoders_folder=DIR"
    )
