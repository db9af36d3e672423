"""The inputs of a benchmark's folds as files, of a corpus without media."""

import atexit
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from merflow.contracts.extracted_features import ExtractedFeatures, ExtractedStream, write_extracted_features
from merflow.contracts.streams import Stream, StreamShape
from merflow.contracts.tracked_run import TrackedRun, write_tracked_run
from merflow.corpus.splitting.splits import make_splits, write_splits
from merflow.features.store.keyed import KeyedStore
from merflow.presets.profiles import shipped_profile
from merflow.storage.local import digest
from tests.corpus.splitting.five_sessions import corpus_rows, manifest_of, params


@cache
def inputs_of_folds() -> Path:
    """Return a folder with ``manifest``, ``splits`` of five folds, ``features`` without a stream, and ``run``."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    corpus = manifest_of(corpus_rows())
    (folder / "manifest").write_text(corpus.hash)
    write_splits(make_splits(corpus, params=params()), folder / "splits")
    write_features(folder / "features", ())
    write_run(folder / "run", variants="one")
    return folder


def write_features(path: Path, streams: Sequence[Stream], *, inputs: Mapping[str, str] | None = None) -> None:
    """Write the record of an extraction of these streams, and their index in a store beside it.

    Args:
        path: The record.
        streams: The streams.
        inputs: Digest of the only utterance's input by role; ``first`` where it is not given.
    """
    profile = shipped_profile("lite")
    shape = StreamShape(None, 8)
    keys = {
        f"key-{stream.slot.replace('/', '-')}-{stream.transcript}-{digest(str(stream))}": stream for stream in streams
    }
    stored = [
        ExtractedStream(key=key, stream=stream, shape=shape, entries=1, quarantined=0) for key, stream in keys.items()
    ]
    store = path.with_name("store")
    for each in stored:
        entry = {"utterance_id": "one", "digest": (inputs or {}).get(each.stream.role, "first"), "shard": "s"}
        rows = pd.DataFrame([{**entry, "offset": 0, "steps": 1}])
        KeyedStore(store / each.key, each.shape).write_index("0", rows)
    features = ExtractedFeatures(
        store=str(store),
        profile=profile,
        encoders={stream.role: profile.roles[stream.role] for stream in streams},
        manifest_hash="0",
        transcripts={"truth": "truth", "asr": "truth"},
        has_both_transcripts=False,
        streams=tuple(stored),
        other_transcripts=(),
    )
    write_extracted_features(path, features)


def write_run(path: Path, *, variants: str) -> None:
    """Write a benchmark's run; its id follows from the variants."""
    run = TrackedRun(
        uri=None,
        experiment="merflow",
        name="a name",
        benchmark_id=variants,
        tags={},
        params={"variants": variants},
        workspace="/workspace",
        system_metrics_every_s=0.0,
    )
    write_tracked_run(path, run)
