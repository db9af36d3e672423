"""Power of the gate, by simulation: the share of truly better models that it finds superior.

The table has a row per size of the test set and a column per true gain::

    python -m benchmarks.gate_power
"""

import argparse
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

from benchmarks.gate_error_rates import promotion_rate
from benchmarks.gate_score_worlds import ScoreWorld
from benchmarks.gate_worlds import TURNS, World
from benchmarks.record import write_result
from merflow.promotion.gate.gate import policy_of

_DIALOGUES = (20, 40, 80, 150, 300)
_UA_GAINS, _MAE_GAINS = (0.02, 0.03, 0.04, 0.06), (0.02, 0.03, 0.05, 0.1)
# About the sizes of two real test sets: all of IEMOCAP with four emotions, and the official test part of CMU-MOSEI.
_IEMOCAP, _MOSEI = (151, 37), (676, 7)
# A figure, the test set and the true gain.
Cell = tuple[str, World | ScoreWorld, float]


def cells() -> Iterator[Cell]:
    """Yield the cells of the table, row by row."""
    sizes = [(dialogues, TURNS) for dialogues in _DIALOGUES]
    for dialogues, turns in (*sizes, _IEMOCAP):
        for gain in _UA_GAINS:
            yield "UA", World(dialogues, turns=turns, gain=gain), gain
    for dialogues, turns in (*sizes, _MOSEI):
        for gain in _MAE_GAINS:
            yield "MAE", ScoreWorld(dialogues, turns=turns, gain=gain), gain


def measured(cell: Cell, *, trials: int) -> dict[str, Any]:
    """Measure the share of the trials in which the candidate is found superior; each cell has draws of its own."""
    figure, world, gain = cell
    size = {"dialogues": world.dialogues, "utterances": len(world.dialogue)}
    seed = zlib.crc32(f"{figure} {size} {gain}".encode())
    policy = policy_of().accuracy.model_copy(update={"require": "superior"})
    rate = promotion_rate(world, policy, trials=trials, seed=seed)
    return {"figure": figure, **size, "gain": gain, "rate": rate, "trials": trials}


def main() -> None:
    """Print the cells and record them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2_000, help="Pairs of models per cell.")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="Cells that are measured at once.")
    args, table = parser.parse_args(), []
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        for row in pool.map(partial(measured, trials=args.trials), cells()):
            print(f"{row['figure']:4} {row['dialogues']:4} dialogues  {row['gain']:4}  {row['rate']:.3f}", flush=True)
            table.append(row)
    write_result("gate_power", {"rows": table})


if __name__ == "__main__":
    main()
