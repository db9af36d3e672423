"""Loading CMU-MOSEI's processed pickle: the feature store next to the plain way, which unpickles the whole file.

The file is generated with the shapes of the real one. The plain way is that of published loaders: unpickle, keep all
arrays in memory, and let a torch DataLoader convert and stack utterance by utterance. merflow reads the file once, into
its store, and reads batches from there. Every measurement has a process of its own and starts with files that are not
in the page cache. Own memory is the largest anonymous memory of the process; pages of mapped files are not in it.
"""

import argparse
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.record import write_result
from benchmarks.store_peers import forget_files
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.contracts.taxonomy import TAXONOMIES
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.readers.mosei_pickle import read_mosei_pickle
from merflow.corpus.synthetic.mosei_pickles import SHAPES, write_mosei_pickle
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.encoders.precomputed import bound
from merflow.features.extraction.stored_streams import extract_streams
from merflow.presets.profiles import shipped_profile

BATCH = 32
STREAMS = (Stream("speech"), Stream("video"), Stream("text"))
SHARD_UTTERANCES = 512
FILE, MANIFEST, ENCODERS, STORE = "corpus/file.pkl", "manifest.parquet", "encoders.json", "store"
_SAMPLE_S = 0.02


class Clock:
    """The time since the last lap: elapsed, and of the processor, which other processes hardly change."""

    def __init__(self) -> None:
        self._elapsed, self._processor = perf_counter(), process_time()

    def lap(self, name: str) -> dict[str, float]:
        """Return both times in seconds, and start the next lap."""
        elapsed, processor = perf_counter() - self._elapsed, process_time() - self._processor
        self._elapsed, self._processor = perf_counter(), process_time()
        return {f"{name}_s": elapsed, f"{name}_cpu_s": processor}


def index(folder: Path) -> dict[str, float]:
    """Index the file."""
    clock = Clock()
    write_manifest(read_mosei_pickle(folder / FILE, taxonomy=TAXONOMIES["iemocap4"]), folder / MANIFEST)
    return clock.lap("whole")


def extraction(folder: Path) -> dict[str, float]:
    """Fill the store from the file, digest of the file included."""
    clock = Clock()
    manifest = read_manifest(folder / MANIFEST)
    encoders = bound(shipped_profile("mosei").roles, root=manifest.root)
    extract_streams(
        manifest, streams=STREAMS, profile=encoders, store=folder / STORE, shard_utterances=SHARD_UTTERANCES
    )
    (folder / ENCODERS).write_text(json.dumps({role: spec.model_dump() for role, spec in encoders.items()}))
    return clock.lap("whole")


def store_epoch(folder: Path) -> dict[str, float]:
    """Open the store, and read one shuffled epoch of the training part as float32 batches."""
    clock = Clock()
    manifest = read_manifest(folder / MANIFEST)
    encoders = json.loads((folder / ENCODERS).read_text())
    dataset = FeatureDataset(
        manifest,
        manifest.rows.loc[manifest.rows["official_split"] == "train", "utterance_id"].tolist(),
        streams=STREAMS,
        profile={role: EncoderSpec.model_validate(spec) for role, spec in encoders.items()},
        store=folder / STORE,
    )
    order = np.random.default_rng(0).permutation(len(dataset))
    batches = [order[start : start + BATCH].tolist() for start in range(0, len(order), BATCH)]
    return _epoch((dataset.batch(members).features for members in batches), clock)


class PlainDataset(Dataset[dict[str, Any]]):
    """The arrays of one part in memory, as published loaders keep them."""

    def __init__(self, part: dict[str, Any]) -> None:
        self.part = {name: np.asarray(part[name], dtype=np.float32) for name in ("text", "audio", "vision")}
        self.part["audio"] = self.part["audio"].copy()  # unpickled arrays cannot be written to
        self.part["audio"][self.part["audio"] == -np.inf] = 0
        self.labels = np.asarray(part["regression_labels"], dtype=np.float32)
        self.ids = part["id"]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one utterance as tensors, padded as in the file."""
        tensors: dict[str, Any] = {name: torch.Tensor(values[index]) for name, values in self.part.items()}
        return tensors | {"label": torch.Tensor(self.labels[index].reshape(-1)), "id": self.ids[index]}


def plain_epoch(folder: Path) -> dict[str, float]:
    """Unpickle the file, and read one shuffled epoch of the training part."""
    clock = Clock()
    with (folder / FILE).open("rb") as file:
        content = pickle.load(file)
    parts = {name: PlainDataset(part) for name, part in content.items()}
    return _epoch(iter(DataLoader(parts["train"], batch_size=BATCH, shuffle=True)), clock)


def _epoch(batches: Iterator[Any], clock: Clock) -> dict[str, float]:
    """Read all batches; return the time until the first one, and that of all others."""
    next(batches)
    until_first = clock.lap("first_batch")
    assert sum(1 for _ in batches) > 0
    return until_first | clock.lap("epoch")


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {
    "index": index,
    "extraction": extraction,
    "store": store_epoch,
    "plain": plain_epoch,
}


@contextmanager
def largest_memory() -> Iterator[dict[str, float]]:
    """Yield a dict that holds the largest own and total memory of this process in GiB when the block ends."""
    found = {"own_gib": 0.0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_S):
            found["own_gib"] = max(found["own_gib"], _status("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield found
    ended.set()
    watcher.join()
    found["total_gib"] = _status("VmHWM")


def _status(name: str) -> float:
    match = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match
    return int(match[1]) / 2**20


def measured(way: str, folder: Path) -> dict[str, float]:
    """Run one way in a fresh process, with its files out of the page cache."""
    forget_files(folder)
    program = f"from pathlib import Path; from benchmarks.mosei import run; run({way!r}, Path({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{way:12} " + "  ".join(f"{name} {value:.2f}" for name, value in result.items()), flush=True)
    return result


def run(way: str, folder: Path) -> None:
    """Run one way and print its figures as JSON."""
    torch.set_num_threads(1)
    with largest_memory() as memory:
        figures = WAYS[way](folder)
    print(json.dumps(figures | memory))


def compared(folder: Path, *, rounds: int) -> dict[str, dict[str, float]]:
    """Return each way's median figures; the store and the plain way alternate."""
    once = {way: measured(way, folder) for way in ("index", "extraction")}
    several: dict[str, list[dict[str, float]]] = {"store": [], "plain": []}
    for _ in range(rounds):
        for way, runs in several.items():
            runs.append(measured(way, folder))
    return once | {way: {name: median(one[name] for one in runs) for name in runs[0]} for way, runs in several.items()}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SHAPES), default="full")
    parser.add_argument("--form", choices=["aligned", "unaligned"], default="aligned")
    parser.add_argument("--text-width", type=int, default=768, help="less than 768 if memory is short")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None, help="folder for the files, about 6 GB")
    options = parser.parse_args()
    shape = SHAPES[options.size]
    shape = replace(shape, widths=shape.widths | {"text": options.text_width})
    if options.scratch is not None:
        options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        folder = Path(scratch)
        path = folder / FILE
        path.parent.mkdir()
        write_mosei_pickle(path, shape, form=options.form, seed=0)
        os.sync()  # only pages that are on disk can be dropped from the page cache
        ways = compared(folder, rounds=options.rounds)
        sizes = {
            "file_gib": path.stat().st_size / 2**30,
            "store_gib": sum(each.stat().st_size for each in (folder / STORE).rglob("*.safetensors")) / 2**30,
        }
    write_result(
        "mosei",
        {
            "form": options.form,
            "utterances": sum(shape.utterances.values()),
            "train": shape.utterances["train"],
            "text_width": options.text_width,
            "rounds": options.rounds,
            "batch": BATCH,
            **sizes,
            "ways": ways,
            "plain_is_times": {
                name: ways["plain"][name] / ways["store"][name]
                for name in ("first_batch_s", "first_batch_cpu_s", "epoch_s", "epoch_cpu_s", "own_gib")
            },
            "extraction_is_plain_times": {
                name: ways["extraction"][f"whole_{name}"] / ways["plain"][f"first_batch_{name}"]
                for name in ("s", "cpu_s")
            },
        },
    )


if __name__ == "__main__":
    main()
