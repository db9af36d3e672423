from time import sleep

import torch

from benchmarks.stopwatch import medians, seconds

CPU = torch.device("cpu")


def _count(most: int) -> int:
    return sum(range(most))


def test_longer_work_takes_longer_and_every_round_runs_all() -> None:
    called: list[str] = []

    def short() -> None:
        called.append("short")
        _count(20_000)

    def long() -> None:
        called.append("long")
        _count(2_000_000)

    spent = medians({"short": short, "long": long}, CPU, rounds=3)
    assert spent["long"] > 10 * spent["short"] > 0
    assert [sorted(called[start : start + 2]) for start in range(0, 8, 2)] == [["long", "short"]] * 4
    assert len(called) == 8


def test_waiting_costs_one_thread_of_a_cpu_nothing_and_takes_time_on_the_wall() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert seconds(lambda: sleep(0.2), CPU) < 0.05
        assert seconds(lambda: sleep(0.2), CPU, wall=True) > 0.19
        torch.set_num_threads(2)
        assert seconds(lambda: sleep(0.2), CPU) > 0.19
    finally:
        torch.set_num_threads(threads)
