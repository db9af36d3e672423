"""Timing of computations in alternation, so that a busy machine affects all of them alike.

With one CPU thread, the processor time of this process counts. Other processes lengthen it a little through caches and
memory, but not by taking turns. With several threads, and on a GPU, it is the wall time until all work is done.
"""

import random
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import torch

Work = Callable[[], object]


def fastest_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seconds(work: Work, device: torch.device, *, wall: bool = False) -> float:
    """Return the time of one call; ``wall`` time if the help of another core should count."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = process_time if alone and not wall else perf_counter
    _wait(device)
    started = clock()
    work()
    _wait(device)
    return clock() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def medians(ways: dict[str, Work], device: torch.device, *, rounds: int, wall: bool = False) -> dict[str, float]:
    """Return each method's median seconds. Every round has a random order, and a warm-up round does not count."""
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way in random.sample(list(ways), len(ways)):
            found = seconds(ways[way], device, wall=wall)
            if number:
                spent[way].append(found)
    return {way: median(each) for way, each in spent.items()}


def where(device: torch.device) -> str:
    """Return the name of the device for a table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s'[: threads - 1]}"
