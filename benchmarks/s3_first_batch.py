"""The time to a fold's first training batch from a cold workspace in S3, next to a folder that is not in memory.

The corpus is synthetic and the features are lite, so the store is small and the figure shows the fixed costs: requests,
checks and indices. Each round empties the scratch folder and drops the folder's files from the page cache. The process
has all modules loaded, as in the middle of a pod's life. Without ``--endpoint`` the server is a SeaweedFS on this
machine: client and server share its cores, nothing goes over a network, and the server's files are in memory.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.record import write_result
from benchmarks.s3_transfer import server
from benchmarks.store_peers import forget_files
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.corpus.source import CorpusSource
from merflow.folds.datasets import FoldDatasets
from merflow.folds.inputs import FoldInputs
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.steps.feature_files import fetch_features, filling
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.runs.data import Data
from merflow.runs.remote.location import ADDRESS
from merflow.runs.workspace import Workspace

VARIANT, FOLD, ROUNDS = "gia-mic:full", 1, 5
PARAMS = "{training: {device: cpu, resident_gib: 0}, features: {device: cpu}}"


def prepare(workspace: Path, kept: Path, *, size: str, params: Params) -> Data:
    """Make a corpus with splits, and extract its features into the workspace, here and in S3."""
    source = CorpusSource("synthetic", None, size)
    data = Data(kept / "manifest.parquet", kept / "splits.parquet", kept / "features.json")
    index(source.locate(kept / "corpus", video=True), corpus="synthetic", out=data.manifest, params=params.corpus)
    split(data.manifest, out=data.splits, params=params.splits)
    store = Workspace(workspace).store
    with filling(store, SharedFiles(workspace)):
        extract(
            data.manifest,
            variants=[VARIANT],
            store=store,
            out=data.features,
            params=params.features,
            corpus=params.corpus,
        )
    return data


def first_batch(data: Data, params: Params) -> int:
    """Open the fold and read its first training batch; return the number of utterances in it."""
    inputs = FoldInputs.read(
        f"{VARIANT}:{FOLD}",
        manifest=data.manifest,
        splits=data.splits,
        features=data.features,
        params=params.training,
        user_presets={},
    )
    source = FoldDatasets(inputs).part("train", inputs.recipes[0])
    wanted = range(inputs.recipes[0].batch_size)
    source.batch(wanted)
    return len(wanted)


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", help="use this server, with credentials from the usual chain")
    parser.add_argument("--bucket", default="benchmark", help="use this bucket; below the key s3-first-batch")
    parser.add_argument("--size", default="small", help="size of the synthetic corpus; only small is recorded")
    options = parser.parse_args()
    params = with_changes(shipped_params(), PARAMS)
    seconds: dict[str, list[float]] = {"folder": [], "s3": []}
    with server(options.endpoint, options.bucket), tempfile.TemporaryDirectory() as scratch:
        workspace, kept = Path(scratch) / "workspace", Path(scratch) / "kept"
        kept.mkdir()
        os.environ[ADDRESS] = f"s3://{options.bucket}/s3-first-batch"
        data = prepare(workspace, kept, size=options.size, params=params)
        bytes_ = sum(path.stat().st_size for path in workspace.rglob("*.safetensors"))
        first_batch(data, params)
        for _ in range(ROUNDS):
            forget_files(workspace)
            _check_forgotten(workspace)
            seconds["folder"].append(_seconds(lambda: first_batch(data, params)))
            shutil.rmtree(workspace)
            workspace.mkdir()
            seconds["s3"].append(_seconds(lambda: _from_s3(workspace, data, params)))
    medians = {way: median(each) for way, each in seconds.items()}
    ratio = medians["s3"] / medians["folder"]
    print(f"folder {medians['folder']:.2f} s, S3 {medians['s3']:.2f} s: {ratio:.1f} times; {bytes_ / 2**20:.0f} MiB")
    if options.size == "small":
        where = "at the given endpoint" if options.endpoint else "SeaweedFS on the same machine, its files in memory"
        figures = {**{f"{way}_s": each for way, each in medians.items()}, "s3_is_times": ratio}
        write_result("s3_first_batch", {**figures, "bytes": bytes_, "server": where, "rounds": ROUNDS})


def _check_forgotten(folder: Path) -> None:
    """Raise if a shard is still in memory, where a folder in memory or a mapping would keep it."""
    shards = list(folder.rglob("*.safetensors"))
    assert shards
    for path in shards:
        with path.open("rb", buffering=0) as file, suppress(BlockingIOError):
            os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
            raise RuntimeError(f"{path} stays in memory; set TMPDIR to a folder on a disk")


def _from_s3(workspace: Path, data: Data, params: Params) -> int:
    fetch_features(data.features, SharedFiles(workspace), manifest=data.manifest, splits=data.splits, folds={FOLD})
    return first_batch(data, params)


def _seconds(action: Callable[[], object]) -> float:
    started = perf_counter()
    action()
    return perf_counter() - started


if __name__ == "__main__":
    main()
