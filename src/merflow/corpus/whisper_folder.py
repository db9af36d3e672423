"""A Whisper model as a checked folder on this machine, whether it was named by size, by hub id or by path.

Nothing here needs transformers: a folder is told good or bad before any weight is read.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from merflow.contracts.errors import CorpusError, nearest

# Size -> repository on the Hugging Face hub and the commit that is meant by it.
SIZES: dict[str, tuple[str, str]] = {
    "tiny": ("openai/whisper-tiny", "169d4a4341b33bc18d8881c4b69c2e104e1cc0af"),
    "tiny.en": ("openai/whisper-tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063"),
    "base": ("openai/whisper-base", "e37978b90ca9030d5170a5c07aadb050351a65bb"),
    "base.en": ("openai/whisper-base.en", "911407f4214e0e1d82085af863093ec0b66f9cd6"),
    "small": ("openai/whisper-small", "973afd24965f72e36ca33b3055d56a652f456b4d"),
    "small.en": ("openai/whisper-small.en", "e8727524f962ee844a7319d92be39ac1bd25655a"),
    "medium": ("openai/whisper-medium", "abdf7c39ab9d0397620ccaea8974cc764cd0953e"),
    "medium.en": ("openai/whisper-medium.en", "2e98eb6279edf5095af0c8dedb36bdec0acd172b"),
    "large-v2": ("openai/whisper-large-v2", "ae4642769ce2ad8fc292556ccea8e901f1530655"),
    "large-v3": ("openai/whisper-large-v3", "06f233fe06e710322aca913c1bc4249a0d71fce1"),
    "large-v3-turbo": ("openai/whisper-large-v3-turbo", "41f01f3fe87f28c78e2fbf8b568835947dd65ed9"),
}

ARCHITECTURE = "WhisperForConditionalGeneration"

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILES = ("*.json", "merges.txt", "model.safetensors", "model-*.safetensors")
_NOT_HEARD = {"normalizer.json"}  # plays no part in a transcript, only in counting its errors
_PROBE_S = 10.0  # until a hub that does not answer counts as no network


@dataclass(frozen=True)
class WhisperFolder:
    """A folder that holds all files of a Whisper model.

    Attributes:
        path: The folder.
        name: How the model was named: a size, a hub id or a path.
        revision: The commit, where it came from the hub.
    """

    path: Path
    name: str
    revision: str | None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every file that decides a transcript, as 16 hexadecimal digits; the same wherever they lie."""
        summary = hashlib.sha256()
        for path in sorted(path for pattern in _FILES for path in self.path.glob(pattern)):
            if path.name not in _NOT_HEARD:
                with path.open("rb") as file:
                    summary.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return summary.hexdigest()[:16]

    @cached_property
    def generation(self) -> dict[str, Any]:
        """``generation_config.json``."""
        return read_json(self.path / "generation_config.json")

    @property
    def multilingual(self) -> bool:
        """Whether the model knows other languages than English."""
        return bool(self.generation.get("is_multilingual", "lang_to_id" in self.generation))

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that can be asked for."""
        return tuple(token.strip("<|>") for token in self.generation.get("lang_to_id", {}))


def find_whisper(model: str, *, revision: str | None) -> WhisperFolder:
    """The model's folder; a model of the hub is downloaded once.

    Args:
        model: One of :data:`SIZES`, a hub id (``owner/name``) or a folder.
        revision: Commit, tag or branch of a hub id; a size has its own. Ignored for a folder.

    Raises:
        CorpusError: There is no such model, the hub cannot be reached, a file is lacking, or it is no Whisper model.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(WhisperFolder(folder.resolve(), model, None))
    if model in SIZES:
        repository, commit = SIZES[model]
        return _checked(_from_hub(repository, revision=revision or commit))
    if _HUB_ID.fullmatch(model):
        return _checked(_from_hub(model, revision=revision or "main"))
    raise CorpusError(
        f"no Whisper model {model!r}: no such folder, and no size ({nearest(model, SIZES)}); "
        "set transcription.model to a size, a hub id (owner/name) or a folder"
    )


def _from_hub(repository: str, *, revision: str) -> WhisperFolder:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    def snapshot(*, local: bool) -> WhisperFolder:
        place = Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(_FILES), local_files_only=local)
        )
        return WhisperFolder(place, repository, place.name)

    if _COMMIT.fullmatch(revision):  # a commit never changes, so that a whole copy needs no network
        try:
            if not _lacking((found := snapshot(local=True)).path):
                return found
        except LocalEntryNotFoundError:
            pass
    try:
        HfApi().model_info(repository, revision=revision, timeout=_PROBE_S)  # snapshot_download would try for long
        return snapshot(local=False)
    except Exception as error:
        if not _is_of_the_hub(error):
            raise
        raise CorpusError(
            f"cannot get {repository} at revision {revision} from the Hugging Face hub: {_first_line(error)}\n"
            f"where there is a network, run `hf download {repository} --revision {revision} --local-dir FOLDER`, "
            "bring the folder here, and set transcription.model to it"
        ) from error


def _is_of_the_hub(error: Exception) -> bool:
    """Whether the hub or the network is at fault; its client speaks through several libraries' errors."""
    return isinstance(error, OSError) or type(error).__module__.startswith(("huggingface_hub", "httpx", "requests"))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _checked(folder: WhisperFolder) -> WhisperFolder:
    if not (folder.path / "config.json").is_file():
        raise CorpusError(f"{folder.path} holds no model: it has no config.json; set transcription.model to another")
    config = read_json(folder.path / "config.json")
    kinds = config.get("architectures") or [config.get("model_type", "unnamed")]
    if ARCHITECTURE not in kinds:
        raise CorpusError(
            f"{folder.path} holds a {', '.join(kinds)}, expected {ARCHITECTURE}; set transcription.model to a "
            f"Whisper model: a size ({', '.join(SIZES)}), a hub id or a folder"
        )
    if lacking := _lacking(folder.path):
        raise CorpusError(
            f"{folder.path} lacks {', '.join(lacking)}; copy what is lacking from where the model came from"
        )
    return folder


def _lacking(path: Path) -> list[str]:
    """The files that a model needs and this folder does not have."""
    lacking = [name for name in ("config.json", "generation_config.json") if not (path / name).is_file()]
    if not any((path / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        lacking.append("preprocessor_config.json")
    if not (path / "tokenizer.json").is_file() and not all((path / name).is_file() for name in _VOCABULARY):
        lacking.append("tokenizer.json")
    index = path / "model.safetensors.index.json"
    if index.is_file():
        return lacking + [name for name in _shards(index) if not (path / name).is_file()]
    return lacking + [name for name in ("model.safetensors",) if not (path / name).is_file()]


_VOCABULARY = ("vocab.json", "merges.txt")


def _shards(index: Path) -> list[str]:
    return sorted(set(read_json(index).get("weight_map", {}).values()))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a model's folder.

    Raises:
        CorpusError: The file is missing, damaged or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} is no readable JSON: {error}; download the model again") from error
    if not isinstance(values, dict):
        raise CorpusError(f"{path} holds a {type(values).__name__}, expected an object; download the model again")
    return values
