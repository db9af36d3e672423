"""The record of an extraction, ``features.json``: the features that some variants need, and where they are."""

from pathlib import Path

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.presets import EncoderProfile, EncoderSpec
from merflow.contracts.streams import Stream, StreamShape, Transcript
from merflow.contracts.strict import Strict
from merflow.errors import FeatureError, FormatError

_FORMAT = 3


class ExtractedStream(Strict):
    """One stored stream.

    Attributes:
        key: Its key in the feature store.
        entries: Number of utterances that have features; the others are masked.
        quarantined: Number of utterances whose input could not be read or encoded.
    """

    key: str
    stream: Stream
    shape: StreamShape
    entries: int
    quarantined: int


class ExtractedFeatures(Strict):
    """The features of some variants in a store.

    Attributes:
        store: Absolute path of the store.
        profile: The encoder profile.
        encoders: The profile's encoders, with their revisions, digests and folders on this machine.
        manifest_hash: Version of the corpus.
        transcripts: Kind of transcripts that a preset requests -> the kind that is read instead.
        has_both_transcripts: True if the corpus has reference and ASR transcripts, and the store has features of both.
        streams: The streams that the variants read.
        other_transcripts: Their text streams with the other kind of transcripts, for tests only.
    """

    store: str
    profile: EncoderProfile
    encoders: dict[str, EncoderSpec]
    manifest_hash: str
    transcripts: dict[Transcript, Transcript]
    has_both_transcripts: bool
    streams: tuple[ExtractedStream, ...]
    other_transcripts: tuple[ExtractedStream, ...]


def write_extracted_features(path: Path, features: ExtractedFeatures) -> None:
    """Write the result, completely or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_typed(path, features, number=_FORMAT)


def read_extracted_features(path: Path) -> ExtractedFeatures:
    """Read the result of an extraction.

    Raises:
        FeatureError: The file is missing, is something else, or was written by another version of merflow.
    """
    if not path.is_file():
        raise FeatureError(f"no such file: {path}; extract the features first (merflow features extract)")
    remedy = "pass a file that `merflow features extract` wrote, or extract again; the store keeps its features"
    try:
        return read_typed(ExtractedFeatures, path, number=_FORMAT, remedy=remedy)
    except FormatError as error:
        raise FeatureError(str(error)) from error
