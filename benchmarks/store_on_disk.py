"""The speed of the feature store when its files are not in memory, and when they do not fit.

Cold batches: random batches after the files have been dropped from the page cache, next to the other formats. Larger
than memory: every layer of an encoder like WavLM-large, as float32 batches in shuffled epochs, in a process whose
memory limit is a fraction of the store's size, page cache included.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.memory_limit import memory_group, run_within
from benchmarks.record import write_result
from benchmarks.store_peers import SHARD, Entries, Fill, digest, forget_files, opened, prepare
from merflow.contracts.streams import StreamShape
from merflow.features.batches.padding import Blanks, Piece, padded
from merflow.features.store.keyed import KeyedStore

# Enough that reading ahead does not bring in half of the rest.
ITEMS = {"text (25 KB)": Entries(16, 768, 16_000), "speech (600 KB)": Entries(299, 1024, 1200)}
COLD_WAYS = ("store", "npy", "hdf5", "flat array")
BATCH, BATCHES, ROUNDS = 32, 8, 3

# Six seconds of 24 layers and what goes into them.
STEPS, LAYERS, WIDTH = 299, 25, 1024
ENTRY_BYTES = 2 * STEPS * LAYERS * WIDTH
LARGE_SHARD, LARGE_BATCH, EPOCHS = 16, 8, 2
# Every layer of WavLM-large over IEMOCAP's utterances of four emotions, about.
CORPUS_GIB = 60.0


def cold(item: Entries) -> dict[str, dict[str, float]]:
    """Return bytes per second of random batches with a cold cache, from each method's median round."""
    chance = np.random.default_rng(1)
    batch = np.zeros((BATCH, *item.shape), dtype=np.float16)
    seconds: dict[str, list[float]] = {way: [] for way in COLD_WAYS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, item)
        for _ in range(ROUNDS):
            for way in COLD_WAYS:
                fill = opened(way, folder, item)
                for number in range(0, item.entries, SHARD):  # every shard is open
                    fill([number], batch)
                forget_files(folder)
                order = chance.choice(item.entries, size=(BATCHES, BATCH), replace=False).tolist()
                seconds[way].append(_seconds(fill, order, batch))
                del fill
    speeds = {way: BATCHES * batch.nbytes / median(each) for way, each in seconds.items()}
    return {
        way: {"mib_a_second": speed / 2**20, "store_is_times": speeds["store"] / speed} for way, speed in speeds.items()
    }


def _seconds(fill: Fill, order: list[list[int]], batch: np.ndarray) -> float:
    started = perf_counter()
    for members in order:
        fill(members, batch)
    return perf_counter() - started


def prepare_layers(folder: Path, *, entries: int) -> None:
    """Write a store with this many entries of all layers."""
    keyed = KeyedStore(folder, StreamShape(LAYERS, WIDTH))
    values = np.random.default_rng(0).standard_normal((STEPS, LAYERS, WIDTH), dtype=np.float32).astype(np.float16)
    for start in range(0, entries, LARGE_SHARD):
        block = range(start, min(entries, start + LARGE_SHARD))
        keyed.write_shard([digest(number) for number in block], [np.roll(values, number, axis=0) for number in block])


def epochs(folder: Path) -> dict[str, float]:
    """Read shuffled float32 batches of the whole store, and measure the memory of this process meanwhile."""
    keyed = KeyedStore(folder, StreamShape(LAYERS, WIDTH))
    places = list(keyed.locations().values())
    opened = keyed.open_entries(places)
    chance, present = np.random.default_rng(2), np.ones((LARGE_BATCH, STEPS), dtype=bool)
    blanks = Blanks()
    user_presets, mapped, count = 0.0, 0.0, 0
    started = perf_counter()
    for _ in range(EPOCHS):
        order = chance.permutation(len(places))[: len(places) // LARGE_BATCH * LARGE_BATCH]
        for members in order.reshape(-1, LARGE_BATCH).tolist():
            pieces = [Piece(number, 0, entry) for number, entry in enumerate(opened.entries(members))]
            batch = padded(pieces, present=present, entry_shape=(LAYERS, WIDTH), scale=None, blanks=blanks)
            user_presets, mapped = max(user_presets, _rss_mib("RssAnon")), max(mapped, _rss_mib("RssFile"))
            count += len(batch)
    seconds = perf_counter() - started
    return {
        "mib_a_second": count * ENTRY_BYTES / seconds / 2**20,
        "utterances_a_second": count / seconds,
        "own_mib": user_presets,
        "mapped_mib": mapped,
    }


def _rss_mib(kind: str) -> float:
    found = re.search(rf"{kind}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def larger_than_memory(*, store_gib: float, limit_gib: float) -> dict[str, Any]:
    """Measure the epochs with and without a limit, each in a fresh process with a cold cache."""
    rows: dict[str, Any] = {"store_gib": store_gib, "limit_gib": limit_gib}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare_layers(folder, entries=int(store_gib * 2**30 / ENTRY_BYTES))
        program = (
            "import json; from pathlib import Path; from benchmarks.store_on_disk import epochs\n"
            f"print(json.dumps(epochs(Path({str(folder)!r}))))"
        )
        command = [sys.executable, "-c", program]
        forget_files(folder)
        with memory_group(round(limit_gib * 2**30)) as group:
            rows["limited"] = json.loads(run_within(group, command)) if group is not None else None
        forget_files(folder)
        rows["unlimited"] = json.loads(run_within(None, command))
    measured = rows["limited"] or rows["unlimited"]
    rows["extrapolated"] = {
        "corpus_gib": CORPUS_GIB,
        "epoch_minutes": CORPUS_GIB * 2**10 / measured["mib_a_second"] / 60,
    }
    return rows


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store-gib", type=float, default=10.0)
    parser.add_argument("--limit-gib", type=float, default=2.0)
    options = parser.parse_args()
    figures: dict[str, Any] = {"cold": {name: cold(item) for name, item in ITEMS.items()}}
    for name, ways in figures["cold"].items():
        for way, row in ways.items():
            print(f"{name:16} {way:12} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    figures["larger_than_memory"] = larger_than_memory(store_gib=options.store_gib, limit_gib=options.limit_gib)
    print(json.dumps(figures["larger_than_memory"], indent=2))
    if figures["larger_than_memory"]["limited"] is None:
        print("this user may not make a control group: measured without a limit")
    write_result("store_on_disk", figures)


if __name__ == "__main__":
    main()
