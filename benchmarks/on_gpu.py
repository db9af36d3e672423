"""Everything that only a GPU can show, in about ten minutes: the tests that need one, then the speed of training.

Each part runs in a process with a time limit. Its results are recorded at once, and a part that fails does not stop the
others. The last lines compare the aims with the results. The tests need all of merflow's dependencies. The other parts
need only torch, transformers and the table libraries.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from benchmarks.record import ON_GPU, Result, read_result

# What each runs, and for how many seconds at most.
PARTS: dict[str, tuple[list[str], int]] = {
    "tests": (["pytest", "-q", "-m", "gpu", "tests/features/batches", "tests/features/encoders/huggingface"], 180),
    "foal_net": (["benchmarks.foal_net"], 90),
    "mfdr": (["benchmarks.mfdr"], 150),
    "trainer": (["benchmarks.trainer"], 180),
    "real_size": (["benchmarks.real_size", "--points", "3"], 180),
}


class Aim(NamedTuple):
    """One figure that a result should reach.

    Attributes:
        what: Description of the figure.
        name: Name of the result.
        figure: Function that picks the figure from the result's figures.
        bound: The value to reach.
        at_least: True if more is better.
    """

    what: str
    name: str
    figure: Callable[[dict[str, Any]], float]
    bound: float
    at_least: bool


def _models(row: str, choose: Callable[..., float]) -> Callable[[dict[str, Any]], float]:
    return lambda figures: choose(model[row] for model in figures["models"].values())


def _sawa(row: str, choose: Callable[..., float]) -> Callable[[dict[str, Any]], float]:
    return lambda figures: choose(place[f"sawa_{row}"] for place in figures["sawa"].values())


AIMS = (
    Aim("Foal-Net's step, times a straightforward one", "foal_net", lambda figures: figures["times_faster"], 2.5, True),
    Aim("SAWA, times Algorithm 1's loop", "mfdr", _sawa("times_the_loop", max), 50, True),
    Aim("SAWA, of plain attention's time", "mfdr", _sawa("of_plain_attention", min), 1.5, False),
    Aim(
        "GCPU, times Eq. 1-6 step by step",
        "mfdr",
        lambda figures: figures["gcpu"]["training, batch 32"]["eager_is_times"],
        1,
        True,
    ),
    Aim("loop and data beside a model's step, at most", "trainer", _models("loop_and_data_overhead", max), 0.1, False),
    Aim("share of the time in which the GPU computes, at least", "trainer", _models("gpu_busy", min), 0.85, True),
    Aim("the whole frozen benchmark, minutes", "real_size", lambda figures: 60 * figures["hours"], 15, False),
)


def judged(results: Mapping[str, Result]) -> list[str]:
    """Return one line per aim, for the results that exist."""
    lines = []
    for aim in AIMS:
        if aim.name not in results:
            lines.append(f"{aim.what}: not measured (aim {aim.bound:g})")
            continue
        found = aim.figure(results[aim.name]["figures"])
        met = found >= aim.bound if aim.at_least else found <= aim.bound
        lines.append(f"{aim.what}: {found:.2f} ({'met' if met else 'MISSED'}, aim {aim.bound:g})")
    return lines


def run(part: str) -> bool:
    """Run a part; True if it finished successfully."""
    arguments, limit_s = PARTS[part]
    print(f"== {part}: python -m {' '.join(arguments)}", flush=True)
    try:
        done = subprocess.run([sys.executable, "-m", *arguments], timeout=limit_s)
    except subprocess.TimeoutExpired:
        print(f"== {part}: stopped after {limit_s} s", flush=True)
        return False
    return done.returncode == 0


def main() -> None:
    """Run the parts and judge them; exit with 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch sees no GPU; on a CPU each part of this runs by itself, for example python -m benchmarks.mfdr")
    failed = [part for part in options.parts if not run(part)]
    found = {aim.name: read_result(f"{aim.name}{ON_GPU}") for aim in AIMS}
    print("", *judged({name: result for name, result in found.items() if result is not None}), sep="\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
