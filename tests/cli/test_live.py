"""The live line of a pipeline's run and the table at its end, by a clock that the test moves."""

import io
from dataclasses import dataclass

from rich.console import Console

from merflow.cli.live import LiveRun, Loop, steps_table
from merflow.contracts.pipeline_steps import StepTime


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def follow(*, terminal: bool = False) -> tuple[LiveRun, Clock, io.StringIO]:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=80, soft_wrap=True, highlight=False)
    return LiveRun(console, {"train": Loop(30, "folds")}, clock=clock), clock, out


def test_the_line_shows_the_step_its_count_the_time_and_the_rest() -> None:
    live, clock, _ = follow()
    assert live.status() == "starting · 0:00 elapsed · 30 folds to train"
    live.step_started("extract")
    clock.now_s += 31
    live.job_line("extract video: 445/891 (6 s)")
    assert live.status() == "extract: video 445 of 891 · 0:31 elapsed · 30 folds to train"
    live.step_finished("extract", cached=False)

    live.step_started("train")
    live.step_started("train")
    assert live.status() == "train 0 of 30 folds · 0:31 elapsed"
    for _ in range(12):
        clock.now_s += 8.25
        live.step_finished("train", cached=False)
    assert live.status() == "train 12 of 30 folds · 2:10 elapsed · about 2:28 left"
    live.job_line("train mfdr:full:1: epoch 2/6 (9 s)")
    assert live.status() == "train 12 of 30 folds · 2:10 elapsed · about 2:28 left"
    for _ in range(18):
        live.step_finished("train", cached=False)
    live.step_started("evaluate")
    assert live.status() == "evaluate · 2:10 elapsed"


def test_cached_folds_take_no_time_and_promise_none() -> None:
    live, clock, _ = follow()
    for _ in range(10):
        live.step_finished("train", cached=True)
    assert live.status() == "train 10 of 30 folds · 0:00 elapsed"
    live.step_started("train")
    clock.now_s += 10
    live.step_finished("train", cached=False)
    assert live.status() == "train 11 of 30 folds · 0:10 elapsed · about 3:10 left"


def test_without_a_terminal_there_is_a_line_every_fifteen_seconds_and_what_jobs_conclude() -> None:
    live, clock, out = follow()
    with live:
        live.step_started("index")
        live.job_line("index: 891 utterances, 662 with an emotion")
        live.step_started("train")
        for fold in range(20):
            clock.now_s += 4
            live.job_line(f"train mfdr:full:{fold}: epoch 6/6 (3 s)")
            live.job_line(f"train mfdr:full:{fold}: epoch 2 of 6 chosen on development data, UA 78.4 there; runs/x")
            live.step_finished("train", cached=False)
    first, *rest = out.getvalue().splitlines()
    assert first == "index: 891 utterances, 662 with an emotion"
    assert rest[0] == "train 3 of 30 folds · 0:16 elapsed · about 2:24 left"
    assert len(rest) == 5
    assert max(map(len, rest)) <= 80


def test_plain_lines_become_rarer_in_a_long_run() -> None:
    live, clock, out = follow()
    with live:
        for _ in range(10 * 60):
            clock.now_s += 60
            live.step_started("train")
            live.job_line("train mfdr:full:1: epoch 6/100 (3 s)")
    assert 60 < len(out.getvalue().splitlines()) < 120, "ten hours"


def test_on_a_terminal_the_line_is_gone_in_the_end_and_the_cursor_is_back() -> None:
    live, _, out = follow(terminal=True)
    with live:
        live.step_started("index")
        live.job_line("index: 891 utterances")
    shown = out.getvalue()
    assert "index: 891 utterances" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_the_table_has_a_row_per_step_and_one_for_the_run() -> None:
    steps = [StepTime("index", 1, 0, 18.2), StepTime("split", 0, 1), StepTime("train", 28, 2, 3725.0)]
    out = io.StringIO()
    Console(file=out, width=80).print(steps_table(steps, seconds=3744.0))
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["step", "time"],
        ["index", "0:18", "ran"],
        ["split", "cached"],
        ["train", "1:02:05", "28", "ran,", "2", "cached"],
        ["total", "1:02:24", "29", "ran,", "3", "cached"],
    ]
