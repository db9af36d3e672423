"""The inputs of a benchmark's folds as files, of a corpus without media."""

import atexit
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from merflow.contracts.extracted_features import ExtractedFeatures, ExtractedStream, write_extracted_features
from merflow.contracts.streams import Stream, StreamShape
from merflow.contracts.tracked_run import TrackedRun, write_tracked_run
from merflow.corpus.splitting.splits import make_splits, write_splits
from merflow.presets.profiles import shipped_profile
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


def write_features(path: Path, streams: Sequence[Stream]) -> None:
    """Write the record of an extraction of these streams."""
    profile = shipped_profile("lite")
    stored = [
        ExtractedStream(key=f"key-{stream.slot}", stream=stream, shape=StreamShape(None, 8), entries=1, quarantined=0)
        for stream in streams
    ]
    features = ExtractedFeatures(
        store="/workspace/store",
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
