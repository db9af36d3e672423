"""Housekeeping of a store: its keys, the integrity of its shards, and its unused files."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.feature_key import FeatureKey, read_feature_key
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Modality, StreamShape
from merflow.errors import FeatureError
from merflow.features.store.claims import claim_files, live_claims
from merflow.features.store.keyed import META, KeyedStore, verify_shard

# Processes touch the files that they write; one that has not changed for this long was left behind.
_LEFT_BEHIND_S = 3600.0


@dataclass(frozen=True)
class KeySummary:
    """One encoder key of a store.

    Attributes:
        modality: The encoder's input; empty if this version of merflow does not know the encoder.
        encoder: Name of the encoder, with model and layers where it has weights.
        clip_s: Seconds of a recording that were encoded; None for all of it.
        pooled: True if entries are means over time.
        transcript: The kind of transcripts that was encoded, if the encoder reads text.
        entries: Number of inputs in the store.
        steps: Steps of all entries.
        manifests: Hashes of the manifests that have an index.
    """

    key: str
    modality: str
    encoder: str
    clip_s: float | None
    pooled: bool
    transcript: str
    layers: int | None
    width: int
    entries: int
    steps: int
    shards: int
    size_bytes: int
    manifests: tuple[str, ...]


@dataclass(frozen=True)
class Unused:
    """A file or a whole key that can be deleted.

    Attributes:
        reason: Reason why it is not needed.
    """

    path: Path
    size_bytes: int
    reason: str


def summaries(root: Path, *, modality_of: Callable[[EncoderSpec], Modality | None]) -> list[KeySummary]:
    """Summarize every key of a store.

    Args:
        root: The store.
        modality_of: Returns an encoder's input; None if this version of merflow does not know the encoder.

    Raises:
        FeatureError: The folder is not a store, or a shard is corrupt.
    """
    return [_summary(keyed, key, modality=modality_of(key.encoder)) for keyed, key in _keys(root)]


def _summary(keyed: KeyedStore, key: FeatureKey, *, modality: Modality | None) -> KeySummary:
    locations = keyed.locations().values()
    return KeySummary(
        key=keyed.folder.name,
        modality=modality or "",
        encoder=key.encoder.label,
        clip_s=key.clip_s,
        pooled=key.pooled,
        transcript=key.transcript,
        layers=keyed.shape.layers,
        width=keyed.shape.width,
        entries=len(locations),
        steps=sum(location.steps for location in locations),
        shards=len(keyed.shard_files()),
        size_bytes=_size(keyed.folder),
        manifests=tuple(sorted(_indices(keyed.folder))),
    )


def shards_of(root: Path) -> list[tuple[Path, StreamShape]]:
    """Return every complete shard of a store, with the shape of its entries.

    Raises:
        FeatureError: The folder is not a store.
    """
    return [(path, keyed.shape) for keyed, _ in _keys(root) for path in keyed.shard_files()]


def fault_of(path: Path, shape: StreamShape) -> str | None:
    """Read a whole shard and return its fault; None if it matches its checksum."""
    try:
        verify_shard(path, shape)
    except FeatureError as error:
        return str(error)
    return None


def unused(root: Path, manifests: Sequence[str], *, why_unreadable: Callable[[FeatureKey], str | None]) -> list[Unused]:
    """Return everything that none of these manifests needs; keys that are being filled are left alone.

    Args:
        root: The store.
        manifests: Hashes of the manifests whose features stay.
        why_unreadable: Returns the reason why this version of merflow never reads a key's features; None if it does.

    Raises:
        FeatureError: The folder is not a store, or an index is corrupt.
    """
    result: list[Unused] = []
    for keyed, key in _keys(root):
        if live_claims(keyed.claims):
            continue
        reason = why_unreadable(key)
        if reason is None and not set(_indices(keyed.folder)) & set(manifests):
            reason = "no given manifest has an index here"
        if reason is not None:
            result.append(Unused(keyed.folder, _size(keyed.folder), reason))
        else:
            result += _unused_within(keyed, manifests)
    return result


def _unused_within(keyed: KeyedStore, manifests: Sequence[str]) -> Iterator[Unused]:
    needed: set[str] = set()
    for manifest, path in _indices(keyed.folder).items():
        if manifest in manifests:
            needed.update(keyed.read_index(manifest)["shard"].dropna())
        else:
            yield Unused(path, path.stat().st_size, f"index of manifest {manifest}, which was not given")
    for path in keyed.shard_files():
        if path.stem not in needed:
            yield Unused(path, path.stat().st_size, "shard of no given manifest")
    for path in [*keyed.folder.glob("plan-*.json"), *claim_files(keyed.claims)]:
        yield Unused(path, path.stat().st_size, "left behind by an extraction that died")
    for path in keyed.folder.rglob(".*.part"):
        facts = path.stat()
        if time.time() - facts.st_mtime > _LEFT_BEHIND_S:
            yield Unused(path, facts.st_size, "half-written file")


def _keys(root: Path) -> Iterator[tuple[KeyedStore, FeatureKey]]:
    if not root.is_dir():
        raise FeatureError(f"no such store: {root}; give the folder that `merflow features extract --store` filled")
    paths = sorted(root.glob(f"*/{META}"))
    if not paths:
        raise FeatureError(
            f"{root} is not a store: none of its folders has a {META}; give the folder that "
            "`merflow features extract --store` filled"
        )
    for path in paths:
        key, shape = read_feature_key(path)
        yield KeyedStore(path.parent, shape), key


def _indices(folder: Path) -> dict[str, Path]:
    """Return the index files by manifest hash."""
    return {path.stem.removeprefix("index-"): path for path in sorted(folder.glob("index-*.parquet"))}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
