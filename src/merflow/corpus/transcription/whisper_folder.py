"""The local folder of a Whisper model, checked, whether you name the model by size, by hub id or by path.

Nothing here needs transformers: a folder is checked before any weight is read.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from merflow.errors import CorpusError, nearest
from merflow.storage.hub import Advice, ModelFiles, files_digest, from_hub, json_object

# Size -> repository on the Hugging Face hub and its pinned commit.
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
_FILES = ModelFiles(
    needed=(
        *(("config.json",), ("generation_config.json",), ("preprocessor_config.json", "processor_config.json")),
        *(("tokenizer.json", "vocab.json"), ("tokenizer.json", "merges.txt")),
    ),
    weights=("model.safetensors", "model.safetensors.index.json"),
)
_TRANSCRIPT_FILES = ("*.json", "merges.txt", "model.safetensors", "model-*.safetensors")
_ERROR_FILES = {"normalizer.json"}  # does not affect transcripts, only the count of their errors
_ADVICE = Advice(
    correct="transcription.model and transcription.revision",
    point="set transcription.model to it",
)


@dataclass(frozen=True)
class WhisperFolder:
    """A folder with all files of a Whisper model.

    Attributes:
        path: The folder.
        name: The model's name in the parameters: a size, a hub id or a path.
        revision: The commit of a model from the hub; None for a local folder.
    """

    path: Path
    name: str
    revision: str | None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of every file that affects a transcript, as 16 hexadecimal digits, independent of the path."""
        names = {path.name for pattern in _TRANSCRIPT_FILES for path in self.path.glob(pattern)}
        return files_digest(self.path, names - _ERROR_FILES)

    @cached_property
    def generation(self) -> dict[str, Any]:
        """``generation_config.json``."""
        return json_object(self.path / "generation_config.json")

    @property
    def multilingual(self) -> bool:
        """True if the model knows other languages than English."""
        return bool(self.generation.get("is_multilingual", "lang_to_id" in self.generation))

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that the model knows."""
        return tuple(token.strip("<|>") for token in self.generation.get("lang_to_id", {}))


def find_whisper(model: str, *, revision: str | None) -> WhisperFolder:
    """Return the folder of a model, and download a model of the hub once.

    Args:
        model: One of :data:`SIZES`, a hub id (``owner/name``) or a folder.
        revision: Commit, tag or branch of a hub id; a size has its own. Ignored for a folder.

    Raises:
        CorpusError: No such model exists, a file is missing, or it is not a Whisper model.
        PretrainedError: The hub doesn't have it or cannot be reached, or a file is damaged.
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
        f"no Whisper model {model!r}: it is neither a folder nor a size ({nearest(model, SIZES)}); "
        "set transcription.model to a size, a hub id (owner/name) or a folder"
    )


def _from_hub(repository: str, *, revision: str) -> WhisperFolder:
    path = from_hub(repository, revision=revision, files=_FILES, advice=_ADVICE)
    return WhisperFolder(path, repository, path.name)


def _checked(folder: WhisperFolder) -> WhisperFolder:
    if not (folder.path / "config.json").is_file():
        raise CorpusError(
            f"{folder.path} contains no model: it has no config.json; set transcription.model to another folder"
        )
    config = json_object(folder.path / "config.json")
    kinds = config.get("architectures") or [config.get("model_type", "unnamed")]
    if ARCHITECTURE not in kinds:
        raise CorpusError(
            f"{folder.path} contains a {', '.join(kinds)}, expected {ARCHITECTURE}; set transcription.model to a "
            f"Whisper model: a size ({', '.join(SIZES)}), a hub id or a folder"
        )
    if missing := [" or ".join(group) for group in _FILES.lacking(folder.path)]:
        raise CorpusError(
            f"{folder.path} lacks {', '.join(missing)}; copy the missing files from the model's repository"
        )
    return folder
