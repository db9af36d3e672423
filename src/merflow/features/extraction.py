"""Fills the store: every recording and text of a manifest through the encoders of the streams that models ask for.

One recording is in memory at a time, and one shard of results. What the store holds already is not computed again, so a
run that was killed resumes at the first missing shard.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.errors import FeatureError
from merflow.contracts.presets import Profile
from merflow.contracts.streams import MODALITY_OF, Modality, Stream, StreamShape
from merflow.corpus.manifest import Manifest
from merflow.features.encoders import STORED_DTYPE, Encoder, build_encoder, encoder_key, spec_of
from merflow.features.media import RATE_HZ, cut, read_recording
from merflow.features.store import KeyedStore, Place, create_store

Progress = Callable[[str, int, int], None]

_COLUMNS: dict[Modality, str] = {"audio": "audio_path", "text": "transcript"}


@dataclass(frozen=True)
class StoredStream:
    """A stream of a manifest that is in the store.

    Attributes:
        key: Folder in the store.
        shape: Layers and width.
        entries: Utterances that have the input; the others are masked.
    """

    stream: Stream
    key: str
    shape: StreamShape
    entries: int


def extract(
    manifest: Manifest,
    *,
    streams: Sequence[Stream],
    profile: Profile,
    store: Path,
    shard_utterances: int,
    progress: Progress | None = None,
) -> tuple[StoredStream, ...]:
    """Makes sure that the store holds these streams of every utterance, labelled or not.

    Args:
        manifest: The corpus.
        streams: What models ask for; see a model config's ``streams()``.
        profile: Role -> encoder.
        store: The store's root, shared between corpora.
        shard_utterances: Entries a shard.
        progress: Called with the stage, the utterances done and their number.

    Raises:
        FeatureError: The corpus lacks a modality, the profile an encoder, a recording cannot be read, or a shard of the
            store is corrupt.
        ParamsError: The profile's settings are wrong.
        OutputError: The store is read-only, the disk full.
    """
    tell = progress or _silent
    encoders = {stream: build_encoder(spec_of(stream, profile), stream) for stream in streams}
    for stream in streams:
        _refuse_absent(manifest, stream)
    inputs = {
        modality: _Inputs(manifest, modality, tell)
        for modality in dict.fromkeys(MODALITY_OF[stream.role] for stream in streams)
    }
    stored = []
    for stream, encoder in encoders.items():
        keyed = create_store(store, spec=spec_of(stream, profile), stream=stream, shape=encoder.shape)
        found = inputs[MODALITY_OF[stream.role]]
        places = _fill(keyed, found, stream=stream, encoder=encoder, shard_utterances=shard_utterances, tell=tell)
        keyed.write_index(manifest.hash, _index_rows(manifest, found, places))
        entries = sum(one is not None for one in found.digests)
        stored.append(StoredStream(stream, encoder_key(spec_of(stream, profile), stream), encoder.shape, entries))
    return tuple(stored)


class _Inputs:
    """One modality of a manifest: the digest of every utterance's input, None where it has none."""

    def __init__(self, manifest: Manifest, modality: Modality, tell: Progress) -> None:
        self._manifest = manifest
        self._modality = modality
        self._first_row: dict[str, int] = {}
        self.digests: list[str | None] = []
        total = len(manifest.rows)
        for row in range(total):
            digest = self._digest(row)
            self.digests.append(digest)
            if digest is not None:
                self._first_row.setdefault(digest, row)
            tell(f"read {modality}", row + 1, total)

    @property
    def unique(self) -> list[str]:
        """Digests in the manifest's order, each once."""
        return list(self._first_row)

    def sources(self, digests: Sequence[str], stream: Stream) -> Iterator[np.ndarray | str]:
        """What an encoder reads for each digest, read one at a time."""
        for digest in digests:
            row = self._first_row[digest]
            source = self._read(row)
            if source is None or _digest_of(source) != digest:
                raise FeatureError(f"the input of {self._name(row)} changed while features were extracted; start again")
            if isinstance(source, np.ndarray):
                source = cut(source, clip_s=stream.clip_s, skip_silence=stream.skip_silence)
            yield source

    def _digest(self, row: int) -> str | None:
        source = self._read(row)
        return None if source is None else _digest_of(source)

    def _read(self, row: int) -> np.ndarray | str | None:
        value = self._manifest.rows[_COLUMNS[self._modality]].iat[row]
        if pd.isna(value) or not str(value).strip():
            return None
        if self._modality == "text":
            return str(value).strip()
        counted = self._manifest.rows["n_samples"].iat[row]
        try:
            return read_recording(
                self._manifest.root / str(value), n_samples=None if pd.isna(counted) else int(counted)
            )
        except FeatureError as error:
            raise FeatureError(f"utterance {self._name(row)}: {error}") from error

    def _name(self, row: int) -> str:
        return str(self._manifest.rows["utterance_id"].iat[row])


def _fill(
    keyed: KeyedStore,
    inputs: _Inputs,
    *,
    stream: Stream,
    encoder: Encoder,
    shard_utterances: int,
    tell: Progress,
) -> dict[str, Place]:
    """Encodes what the store lacks, shard by shard, and returns every entry's place."""
    places = keyed.places()
    missing = [digest for digest in inputs.unique if digest not in places]
    done = total = len(inputs.unique)
    done -= len(missing)
    tell(f"extract {stream.role}", done, total)
    for start in range(0, len(missing), shard_utterances):
        digests = missing[start : start + shard_utterances]
        if not keyed.has_shard(digests):  # another process may have been faster
            arrays = []
            for digest, array in zip(digests, encoder.encode(inputs.sources(digests, stream)), strict=True):
                arrays.append(_storable(array, pooled=stream.pooled, name=f"{stream.role} of input {digest[:12]}"))
                tell(f"extract {stream.role}", done + len(arrays), total)
            keyed.write_shard(digests, arrays)
        done += len(digests)
    return keyed.places() if missing else places


def _storable(array: np.ndarray, *, pooled: bool, name: str) -> np.ndarray:
    """The entry as it is stored: float16, and one step where the stream is pooled."""
    if pooled and len(array):
        array = array.mean(axis=0, keepdims=True, dtype=np.float64)
    with np.errstate(over="ignore"):
        stored = array.astype(STORED_DTYPE)
    if not np.isfinite(stored).all():
        raise FeatureError(f"{name} is not finite in {STORED_DTYPE}; largest value {np.abs(array).max()}")
    return stored


def _index_rows(manifest: Manifest, inputs: _Inputs, places: dict[str, Place]) -> pd.DataFrame:
    found = [None if digest is None else places[digest] for digest in inputs.digests]
    return pd.DataFrame(
        {
            "utterance_id": manifest.rows["utterance_id"],
            "digest": pd.array(inputs.digests, dtype="string"),
            "shard": pd.array([None if place is None else place.shard for place in found], dtype="string"),
            "offset": [0 if place is None else place.offset for place in found],
            "steps": [0 if place is None else place.steps for place in found],
        }
    )


def _refuse_absent(manifest: Manifest, stream: Stream) -> None:
    modality = MODALITY_OF[stream.role]
    if modality not in _COLUMNS:
        raise FeatureError(f"role {stream.role!r} needs {modality}, which no encoder reads")
    column = _COLUMNS[modality]
    if manifest.rows[column].fillna("").astype(str).str.strip().eq("").all():
        raise FeatureError(
            f"role {stream.role!r} needs {modality}, but corpus {manifest.corpus!r} in {manifest.root} has no "
            f"{column!r} in any of its {len(manifest.rows)} utterances; choose variants that do without {modality}"
        )


def _digest_of(source: np.ndarray | str) -> str:
    """SHA-256 of samples or text; the modality and rate take part, so that no text can pass for a recording."""
    if isinstance(source, str):
        return hashlib.sha256(b"text\n" + source.encode()).hexdigest()
    sha = hashlib.sha256(f"audio {RATE_HZ} float32\n".encode())
    sha.update(source.astype("<f4", copy=False).data)
    return sha.hexdigest()


def _silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""
