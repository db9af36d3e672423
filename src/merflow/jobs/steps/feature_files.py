"""Encoders and the feature store in S3."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from merflow.contracts.extracted_features import ExtractedFeatures, ExtractedStream, read_extracted_features
from merflow.jobs.steps.shared_files import SharedFiles


def model_digests(folders: Sequence[str], shared: SharedFiles) -> list[str] | None:
    """Return digests of local models that are in the workspace in S3; None if none is."""
    if shared.remote is None or not any(name and shared.holds(Path(name)) for name in folders):
        return None
    remote = shared.remote
    return [
        remote.digest_of(remote.address_of(Path(name).absolute())) if name and shared.holds(Path(name)) else ""
        for name in folders
    ]


def fetch_models(folders: Iterable[str], shared: SharedFiles) -> None:
    """Fetch local models that are in the workspace."""
    for name in folders:
        if name:
            shared.fetch_below(Path(name))


def publish_encoders(features: Path, shared: SharedFiles) -> None:
    """Upload the encoders that an extraction has downloaded into the workspace, for folds that fine-tune them."""
    if shared.remote is None:
        return
    for name in encoder_folders(read_extracted_features(features)):
        if shared.holds(Path(name)) and not shared.remote.has_any(Path(name)):
            shared.remote.publish(Path(name))


def encoder_folders(features: ExtractedFeatures) -> list[str]:
    """Return the folders of an extraction's encoders."""
    return sorted({str(spec.folder) for spec in features.encoders.values() if spec.folder})


def fetch_store(store: Path, keys: Collection[str], shared: SharedFiles) -> None:
    """Fetch what the store has under these keys, with which an extraction continues."""
    if shared.remote is None:
        return
    folders = [(store / key).absolute() for key in keys]
    own = tuple(f"{folder.relative_to(shared.remote.root).as_posix()}/" for folder in folders)
    for folder in folders:
        shared.remote.fetch_below(folder, keep=lambda path: path.startswith(own))


@contextmanager
def filling(store: Path, shared: SharedFiles) -> Iterator[None]:
    """Upload shards as they are finished, and at the end the indices, by which readers find them."""

    def entries() -> list[Path]:
        return [*store.glob("*/meta.json"), *store.glob("*/shards/*.safetensors")]

    with shared.uploading(entries, immutable=True):
        yield
    shared.upload(store.glob("*/index-*.parquet"), immutable=False)


def fetch_indices(features: Path, shared: SharedFiles) -> None:
    """Fetch the keys and indices of an extraction."""
    if shared.remote is None:
        return
    read = read_extracted_features(features)
    for each in _streams(read):
        folder = Path(read.store) / each.key
        shared.fetch(folder / "meta.json")
        shared.fetch(folder / f"index-{read.manifest_hash}.parquet", immutable=False)


def fetch_features(
    features: Path, shared: SharedFiles, *, manifest: Path, splits: Path, folds: Collection[int] | None
) -> None:
    """Fetch the shards with the features of some folds; None for all folds."""
    if shared.remote is None:
        return
    from merflow.features.store.keyed import KeyedStore

    fetch_indices(features, shared)
    read, utterances = read_extracted_features(features), _utterances(manifest, splits, folds)
    needed: dict[Path, set[str]] = {}
    for each in _streams(read):
        keyed = KeyedStore(Path(read.store) / each.key, each.shape)
        index = keyed.read_index(read.manifest_hash)
        shards = index["shard"][index["utterance_id"].isin(utterances)].dropna().unique()
        needed[keyed.folder / "shards"] = {f"{shard}.safetensors" for shard in shards}
    root = shared.remote.root
    stay = {(folder / name).relative_to(root).as_posix() for folder, names in needed.items() for name in names}
    for folder, names in needed.items():
        if names:
            shared.remote.fetch_below(folder, wanted=names.__contains__, keep=stay.__contains__)


def _streams(features: ExtractedFeatures) -> tuple[ExtractedStream, ...]:
    return (*features.streams, *features.other_transcripts)


def _utterances(manifest: Path, splits: Path, folds: Collection[int] | None) -> set[str]:
    """Return the utterances of some folds, with all turns of their dialogues, which a model may read in addition."""
    from merflow.corpus.manifest import read_manifest
    from merflow.corpus.splitting.splits import read_splits

    rows, split = read_manifest(manifest).rows, read_splits(splits).rows
    chosen = split if folds is None else split[split["fold"].astype(int).isin(folds)]
    dialogues = rows["dialogue_id"][rows["utterance_id"].isin(chosen["utterance_id"])]
    return set(rows["utterance_id"][rows["dialogue_id"].isin(dialogues)])
