"""What is in a store, whether it is whole, and what of it nobody needs."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.features.encoders.catalogue import ENCODERS, EXTRACTION_VERSION
from merflow.features.store.claims import claim_files, live_claims
from merflow.features.store.keyed import KeyedStore, verify_shard

# A file that is being written is touched all the time; one that lay still for so long was left behind.
_LEFT_BEHIND_S = 3600.0


@dataclass(frozen=True)
class KeySummary:
    """One encoder key of a store.

    Attributes:
        modality: What the encoder reads; empty where this version of merflow does not know the encoder.
        encoder: Its name, and the model and layers where it has weights.
        clip_s: Seconds of a recording that were encoded, None for all.
        pooled: Whether entries are means over time.
        transcript: Whose words were encoded, where the encoder reads text.
        entries: Inputs in the store.
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
    """A file or a whole key that can go.

    Attributes:
        reason: Why nobody needs it.
    """

    path: Path
    size_bytes: int
    reason: str


def summaries(root: Path) -> list[KeySummary]:
    """Every key of a store.

    Raises:
        FeatureError: The folder is no store, or a shard is corrupt.
    """
    found = []
    for keyed, meta in _keys(root):
        places = keyed.places().values()
        entry = ENCODERS.get(meta["encoder"]["name"])
        settings = meta["encoder"]["settings"]
        words = (meta["encoder"]["name"], settings.get("model"), settings.get("layers"))
        found.append(
            KeySummary(
                key=keyed.folder.name,
                modality="" if entry is None else entry.modality,
                encoder=" ".join(str(word) for word in words if word is not None),
                clip_s=meta["clip_s"],
                pooled=meta["pooled"],
                transcript=meta.get("transcript", "truth"),
                layers=keyed.shape.layers,
                width=keyed.shape.width,
                entries=len(places),
                steps=sum(place.steps for place in places),
                shards=len(keyed.shard_files()),
                size_bytes=_size(keyed.folder),
                manifests=tuple(sorted(_indices(keyed.folder))),
            )
        )
    return found


def shards_of(root: Path) -> list[tuple[Path, StreamShape]]:
    """Every complete shard of a store, with the shape of its entries.

    Raises:
        FeatureError: The folder is no store.
    """
    return [(path, keyed.shape) for keyed, _ in _keys(root) for path in keyed.shard_files()]


def fault_of(path: Path, shape: StreamShape) -> str | None:
    """What is wrong with a shard, None where it matches its checksum; reads all of it."""
    try:
        verify_shard(path, shape)
    except FeatureError as error:
        return str(error)
    return None


def unused(root: Path, manifests: Sequence[str]) -> list[Unused]:
    """What none of these manifests needs; keys that are being filled right now are left alone.

    Args:
        root: The store.
        manifests: Hashes of the manifests whose features stay.

    Raises:
        FeatureError: The folder is no store, or an index is corrupt.
    """
    found: list[Unused] = []
    for keyed, meta in _keys(root):
        if live_claims(keyed.claims):
            continue
        reason = _why_useless(keyed, meta, manifests)
        if reason is not None:
            found.append(Unused(keyed.folder, _size(keyed.folder), reason))
        else:
            found += _unused_within(keyed, manifests)
    return found


def _why_useless(keyed: KeyedStore, meta: dict[str, Any], manifests: Sequence[str]) -> str | None:
    """Why a whole key can go, None where it cannot."""
    entry = ENCODERS.get(meta["encoder"]["name"])
    if entry is None:
        return f"this version of merflow has no encoder {meta['encoder']['name']!r}"
    if (meta["encoder_version"], meta["extraction_version"]) != (entry.version, EXTRACTION_VERSION):
        return "made by another version of the extraction; it is never read again"
    if not set(_indices(keyed.folder)) & set(manifests):
        return "no given manifest has an index here"
    return None


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


def _keys(root: Path) -> Iterator[tuple[KeyedStore, dict[str, Any]]]:
    if not root.is_dir():
        raise FeatureError(f"no such store: {root}; give the folder that `merflow features extract --store` filled")
    paths = sorted(root.glob("*/meta.json"))
    if not paths:
        raise FeatureError(f"{root} is no store: no folder in it has a meta.json")
    for path in paths:
        try:
            meta = json.loads(path.read_text(encoding="utf-8"))
            shape = StreamShape(layers=meta["layers"], width=meta["width"])
            _ = meta["encoder"]["name"], meta["encoder"]["settings"], meta["clip_s"], meta["pooled"]
        except (ValueError, KeyError, TypeError) as error:
            raise FeatureError(f"{path} is corrupt ({error}); delete its folder and extract again") from error
        yield KeyedStore(path.parent, shape), meta


def _indices(folder: Path) -> dict[str, Path]:
    """Manifest hash -> index file."""
    return {path.stem.removeprefix("index-"): path for path in sorted(folder.glob("index-*.parquet"))}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
