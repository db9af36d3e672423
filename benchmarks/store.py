"""The speed and memory of random batches from the feature store: page cache, one process, one thread.

Next to it, in the same run and on the same entries: one npy file per utterance, one pickle of all, one HDF5 file with a
dataset per utterance, one flat memory-mapped array, and a plain copy of the same bytes in memory, which is the ceiling.
Every method fills the same ``(N, T, D)`` float16 batch. The conversion to float32 costs all of them the same and is
left out. Each has read every entry once before. Rounds of all methods alternate in random order, and each method's
median counts. Memory is measured in a fresh process per method.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.record import write_result
from benchmarks.store_peers import WAYS, Entries, Fill, opened, prepare

# A sentence of BERT-base, six seconds of WavLM-large.
ITEMS = {"text (25 KB)": Entries(16, 768, 4000), "speech (600 KB)": Entries(299, 1024, 600)}
BATCH, BATCHES, ROUNDS = 32, 24, 21


def throughput(fills: dict[str, Fill], item: Entries, *, rounds: int) -> dict[str, float]:
    """Return bytes per second of each method, from its median round."""
    chance = np.random.default_rng(1)
    batch = np.zeros((BATCH, *item.shape), dtype=np.float16)
    for fill in fills.values():
        for number in range(item.entries):
            fill([number], batch)
    seconds: dict[str, list[float]] = {way: [] for way in fills}
    for _ in range(rounds):
        for way in random.sample(list(fills), len(fills)):
            order = chance.integers(0, item.entries, size=(BATCHES, BATCH)).tolist()
            started = perf_counter()
            for members in order:
                fills[way](members, batch)
            seconds[way].append(perf_counter() - started)
    return {way: BATCHES * batch.nbytes / median(each) for way, each in seconds.items()}


def resident_mib(way: str, folder: Path, item: Entries) -> float:
    """Return the memory in MiB that a fresh process has taken since its start after reading every entry."""
    program = (
        "import re; from pathlib import Path\n"
        "from benchmarks.store import throughput; from benchmarks.store_peers import Item, opened\n"
        "rss = lambda: int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        f"before, item = rss(), {item!r}; fill = opened({way!r}, Path({str(folder)!r}), item)\n"
        "throughput({'x': fill}, item, rounds=1); print(rss() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(re.findall(r"[\d.]+", done.stdout)[-1])


def main() -> None:
    """Measure, print ratios and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    figures = {}
    for name, item in ITEMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            prepare(folder, item)
            speeds = throughput({way: opened(way, folder, item) for way in WAYS}, item, rounds=ROUNDS)
            resident = {way: resident_mib(way, folder, item) for way in WAYS}
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
