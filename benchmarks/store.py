"""How fast are random batches from the store, and what do they cost in memory? Page cache, one process, one thread.

Beside it, in the same run and on the same entries: one npy file an utterance, one pickle of all of them, one flat
memory-mapped array, and a plain copy of the same bytes from memory, which is the ceiling. Every way fills the same
``(N, T, D)`` batch. Rounds of all ways alternate, and each way's median counts, so that a busy machine hits all alike.
"""

import argparse
import hashlib
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.record import write_result
from merflow.contracts.streams import StreamShape
from merflow.features.store import KeyedStore

# Steps, width and number of entries: a sentence of BERT-base (25 KB), six seconds of WavLM-large (600 KB).
ITEMS = {"text (25 KB)": (16, 768, 4000), "speech (600 KB)": (299, 1024, 600)}
WAYS = ("store", "npy", "pickle", "flat array", "memory copy")
BATCH, BATCHES, ROUNDS, SHARD = 32, 24, 7, 128

Fill = Callable[[int, np.ndarray], None]


def prepare(folder: Path, *, steps: int, width: int, entries: int) -> None:
    """Writes the same random entries in every form."""
    random = np.random.default_rng(0)
    values = random.standard_normal((entries, steps, width), dtype=np.float32).astype(np.float16)
    values.tofile(folder / "flat.bin")
    (folder / "npy").mkdir()
    for number, entry in enumerate(values):
        np.save(folder / "npy" / f"{number}.npy", entry)
    with (folder / "all.pickle").open("wb") as file:
        pickle.dump(dict(enumerate(values)), file, protocol=pickle.HIGHEST_PROTOCOL)
    keyed = KeyedStore(folder / "store", StreamShape(None, width))
    for start in range(0, entries, SHARD):
        block = range(start, min(entries, start + SHARD))
        keyed.write_shard([_digest(number) for number in block], [values[number] for number in block])


def _digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def opened(way: str, folder: Path, *, steps: int, width: int, entries: int) -> Fill:
    """A function that copies entry ``number`` into a place of the batch."""
    if way == "store":
        keyed = KeyedStore(folder / "store", StreamShape(None, width))
        places, shards = keyed.places(), keyed.open_shards()
        by_number = [places[_digest(number)] for number in range(entries)]
        return lambda number, target: shards[by_number[number].shard].read_into(by_number[number], target)
    if way == "npy":
        return lambda number, target: np.copyto(target, np.load(folder / "npy" / f"{number}.npy"))
    if way == "pickle":
        with (folder / "all.pickle").open("rb") as file:
            everything = pickle.load(file)
        return lambda number, target: np.copyto(target, everything[number])
    shape = (entries, steps, width)
    if way == "flat array":
        mapped = np.memmap(folder / "flat.bin", dtype=np.float16, mode="r", shape=shape)
        return lambda number, target: np.copyto(target, mapped[number])
    held = np.fromfile(folder / "flat.bin", dtype=np.float16).reshape(shape)
    return lambda number, target: np.copyto(target, held[number])


def throughput(fills: dict[str, Fill], *, steps: int, width: int, entries: int) -> dict[str, float]:
    """Bytes a second of each way: the median round."""
    random = np.random.default_rng(1)
    batch = np.zeros((BATCH, steps, width), dtype=np.float16)
    rounds: dict[str, list[float]] = {way: [] for way in fills}
    for _ in range(ROUNDS):
        order = random.integers(0, entries, size=(BATCHES, BATCH)).tolist()
        for way, fill in fills.items():
            started = perf_counter()
            for members in order:
                for place, number in enumerate(members):
                    fill(number, batch[place])
            rounds[way].append(perf_counter() - started)
    return {way: BATCHES * batch.nbytes / median(seconds) for way, seconds in rounds.items()}


def resident_mib(way: str, folder: Path, *, steps: int, width: int, entries: int) -> float:
    """Memory that a fresh process takes for 24 random batches, beyond its start, in MiB."""
    sizes = f"steps={steps}, width={width}, entries={entries}"
    program = (
        "import re, sys; from pathlib import Path; import benchmarks.store as b\n"
        "rss = lambda: int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        f"before = rss(); fill = b.opened({way!r}, Path({str(folder)!r}), {sizes})\n"
        f"b.throughput({{'x': fill}}, {sizes}); print(rss() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    found = re.findall(r"[\d.]+", done.stdout)
    return float(found[-1])


def main() -> None:
    """Measures, prints ratios, records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    figures = {}
    for name, (steps, width, entries) in ITEMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            prepare(folder, steps=steps, width=width, entries=entries)
            fills = {way: opened(way, folder, steps=steps, width=width, entries=entries) for way in WAYS}
            speeds = throughput(fills, steps=steps, width=width, entries=entries)
            resident = {way: resident_mib(way, folder, steps=steps, width=width, entries=entries) for way in WAYS}
        figures[name] = {
            way: {
                "gib_a_second": speeds[way] / 2**30,
                "store_is_times": speeds["store"] / speeds[way],
                "resident_mib": resident[way],
            }
            for way in WAYS
        }
        for way, row in figures[name].items():
            print(f"{name:16} {way:12} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    write_result("store", figures)


if __name__ == "__main__":
    main()
