"""Digests of the files behind a pipeline's paths: corpus, local encoders, a local recognizer.

A pipeline's cache knows paths but not content. So this is the first step of every run, it is never cached, and the
digests are parameters of the steps that read these files. A digest covers names, sizes and modification times, because
a corpus is too large to read in every run. A replaced file gets a new modification time. So do files that are copied to
another volume, and their corpus is then indexed again.
"""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.params import FeatureParams, Params
from merflow.contracts.presets import EncoderProfile
from merflow.contracts.requests import DataDigests
from merflow.corpus.readers.catalogue import reader
from merflow.features.encoders.huggingface.checkpoints import is_path
from merflow.storage.fingerprints import folder_fingerprint
from merflow.storage.local import digest


def fingerprint(*, corpus: str, root: str, transcribe: bool, params: Params, profile: EncoderProfile) -> DataDigests:
    """Return the digests of a run's files.

    Args:
        corpus: Name of the corpus's reader.
        root: Release folder or utterance table; empty for a corpus that is generated.
        transcribe: True if recordings are transcribed.
        params: The parameters, with the folders of encoders and recognizer.
        profile: The encoders that extract.

    Raises:
        CorpusError: The reader is unknown.
    """
    return DataDigests(
        corpus=reader(corpus).fingerprint(Path(root)) if root and Path(root).exists() else "",
        encoders=models_digest([_of_folder(name) for name in encoder_models(profile, params.features)]),
        recognizer=_of_folder(params.transcription.model) if transcribe else "",
    )


def _of_folder(name: str) -> str:
    """Return a digest of a folder's files; empty if the name is not a folder, as for models from the hub."""
    folder = Path(name).expanduser()
    return folder_fingerprint(folder) if name and folder.is_dir() else ""


def encoder_models(profile: EncoderProfile, params: FeatureParams) -> list[str]:
    """Return the folders of local encoders: the common folder, which may be empty, and those named individually."""
    models = {str(spec.settings.get("model", "")) for spec in profile.roles.values()}
    return [params.encoders_folder, *sorted(filter(is_path, models))]


def models_digest(digests: Sequence[str]) -> str:
    """Return a digest of the digests of local models; empty if the hub's commits pin every one of them."""
    return digest(list(digests)) if any(digests) else ""
