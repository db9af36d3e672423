"""What does the training loop cost beside the forward pass, the backward pass and the optimiser's step?

Every model's full preset at its real size, on resident random features with IEMOCAP's lengths. The bare loop steps
over the very batches of an epoch, made beforehand. Against it stand ``train_epoch`` on the same ready batches (the
loop's own cost), and on batches that it gathers itself (with the cost of resident data). Rounds of all alternate;
medians count. A checkpoint is written once an epoch, and is shared out over the steps of an epoch of 4400 utterances.
On a CPU one thread computes, and the process's own time counts, which other processes cannot lengthen much.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.random_features import RandomUtterances, full_presets
from benchmarks.record import write_result
from merflow.contracts.batch import Batch
from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import Preset
from merflow.training.determinism import deterministic, seed_epoch
from merflow.training.devices import device_of
from merflow.training.history import EpochFigures, FoldHistory
from merflow.training.optimization import Bench, train_epoch
from merflow.training.resume import FoldState, save_checkpoint
from merflow.training.sampling import epoch_batches
from merflow.training.shadow import Shadow

PARAMS = TrainingParams(
    device="auto",
    precision="auto",
    max_epochs=None,
    threads=1,
    devices_per_fold=1,
    resident_gib=0.0,
    resident_on="device",
    compile="off",
    shadow_selection="off",
    modality_dropout=0.0,
)
SEED, EPOCH = 0, 1
REAL_UTTERANCES = 4400


class Ready:
    """A source whose batches of one epoch were made beforehand."""

    def __init__(self, source: RandomUtterances, order: Sequence[Sequence[int]]) -> None:
        self.lengths, self.labels = source.lengths, source.labels
        self._batches = {tuple(indices): source.batch(indices) for indices in order}

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Sequence[int]) -> Batch:
        """One of the batches."""
        return self._batches[tuple(indices)]


def bare_loop(bench: Bench, batches: Sequence[Batch]) -> None:
    """What any training must do."""
    bench.model.train()
    for batch in batches:
        loss = bench.output(batch).loss
        bench.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if bench.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(bench.learning, bench.recipe.clip_norm)
        bench.optimizer.step()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time until a GPU is done; the process's own time on a CPU."""
    if device.type == "cpu":
        started = process_time()
        work()
        return process_time() - started
    torch.cuda.synchronize()
    started = perf_counter()
    work()
    torch.cuda.synchronize()
    return perf_counter() - started


def busy_share(work: Callable[[], object]) -> float:
    """Share of the wall time in which the GPU computed; one stream, so kernels do not overlap."""
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        started = perf_counter()
        work()
        torch.cuda.synchronize()
        wall = perf_counter() - started
    return float(sum(event.self_device_time_total for event in profile.key_averages())) / 1e6 / wall


def checkpoint_s(bench: Bench) -> float:
    """Seconds to write the state after an epoch."""
    figures = EpochFigures(1, 1, 1.0, 1.0, 0.5, 0.5, 0.1, 1.0)
    best = {name: value.detach().clone() for name, value in bench.model.state_dict().items()}
    state = FoldState(FoldHistory((figures,), 1), best, Shadow.empty())
    with tempfile.TemporaryDirectory() as scratch:
        save = lambda: save_checkpoint(Path(scratch), bench=bench, state=state, fingerprint={})  # noqa: E731
        return min(seconds(save, bench.device) for _ in range(3))


def measured(preset: Preset, *, steps: int, rounds: int) -> dict[str, float]:
    """The figures of one model."""
    device = device_of(PARAMS)
    recipe = preset.recipe
    source = RandomUtterances(preset, count=steps * recipe.batch_size, device=device)
    bench = Bench.of(source.model(preset), recipe=recipe, params=PARAMS, seed=SEED, device=device)
    order = epoch_batches(source, recipe=recipe, seed=SEED, epoch=EPOCH)
    ready = Ready(source, order)
    batches = [ready.batch(indices) for indices in order]
    ways: dict[str, Callable[[], object]] = {
        "bare": lambda: bare_loop(bench, batches),
        "ready": lambda: train_epoch(bench, ready, epoch=EPOCH),
        "gathered": lambda: train_epoch(bench, source, epoch=EPOCH),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            seed_epoch(SEED, epoch=EPOCH)
            found = seconds(work, device)
            if number:  # the first round warms up
                times[name].append(found)
    step_s = {name: median(values) / len(order) for name, values in times.items()}
    written = checkpoint_s(bench) / np.ceil(REAL_UTTERANCES / recipe.batch_size)
    figures = {
        "step_ms": 1e3 * step_s["bare"],
        "loop_overhead": step_s["ready"] / step_s["bare"] - 1,
        "loop_and_data_overhead": step_s["gathered"] / step_s["bare"] - 1,
        "with_checkpoints_overhead": (step_s["gathered"] + written) / step_s["bare"] - 1,
    }
    if device.type == "cuda":
        figures["gpu_busy"] = busy_share(ways["gathered"])
    return figures


def main() -> None:
    """Measures, prints ratios, records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="batches an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", help="only these")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with deterministic(threads=PARAMS.threads):
        for preset in full_presets(options.models):
            figures[preset.variant] = measured(preset, steps=options.steps, rounds=options.rounds)
            row = figures[preset.variant]
            print(f"{preset.variant:32} " + "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
    write_result("trainer", figures)


if __name__ == "__main__":
    main()
