"""How fast are random batches from the store, and what do they cost in memory? Page cache, one process, one thread.

Beside it, in the same run and on the same entries: one npy file an utterance, one pickle of all of them, one HDF5 file
with a dataset an utterance, one flat memory-mapped array, and a plain copy of the same bytes from memory, which is the
ceiling. Every way fills the same ``(N, T, D)`` float16 batch; turning it into float32 costs all of them the same and is
left out. Each has read every entry once before; rounds of all ways alternate, in another order each, and each way's
median counts. Memory is that of a process of its own for each way.
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
from benchmarks.store_peers import WAYS, Fill, FoldId, opened, prepare

# A sentence of BERT-base, six seconds of WavLM-large.
ITEMS = {"text (25 KB)": FoldId(16, 768, 4000), "speech (600 KB)": FoldId(299, 1024, 600)}
BATCH, BATCHES, ROUNDS = 32, 24, 21


def throughput(fills: dict[str, Fill], item: FoldId, *, rounds: int) -> dict[str, float]:
    """Bytes a second of each way: the median round."""
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


def resident_mib(way: str, folder: Path, item: FoldId) -> float:
    """Memory that a fresh process has taken beyond its start when it has read every entry, in MiB."""
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
    """Measures, prints ratios, records."""
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
