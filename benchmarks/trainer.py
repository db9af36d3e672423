"""The cost of the training loop beyond the forward pass, the backward pass and the optimizer step.

Every model's full preset at its real size, on resident random features with IEMOCAP's lengths: one batch of the median
length, or as many as take some seconds, from short to long. The bare loop steps over the batches of an epoch, prepared
beforehand. It is compared with ``train_epoch`` on the same prepared batches (the loop's own cost), and on batches that
``train_epoch`` makes while the previous step computes (the cost of resident data too), in processor time and in wall
time. Rounds of all alternate, and medians count. Two more figures: the time to merely write batches of that many bytes,
which is the least that making them can cost, and a checkpoint, written once per epoch and spread over the steps of
4,400 utterances.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.random_features import EMOTIONS, FULL, UTTERANCES, RandomUtterances, Some, full_presets
from benchmarks.record import write_result
from benchmarks.stopwatch import Work, medians, seconds, where
from merflow.contracts.batch import Batch
from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import Preset
from merflow.features.batches.bucketing import sequential_batches
from merflow.inference.determinism import deterministic
from merflow.inference.devices import device_of
from merflow.training.history import FoldHistory
from merflow.training.optimization import TrainingState, train_epoch
from merflow.training.resume import FoldState, save_checkpoint
from merflow.training.sampling import epoch_batches
from merflow.training.shadow import Shadow

PARAMS = TrainingParams(
    device="auto",
    encoders="as-preset",
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
# Of each way, about; and of an epoch.
SECONDS, MOST_ROUNDS = 15, 25
EPOCH_SECONDS, MOST_STEPS = 3, 20


class Ready:
    """A source whose batches of one epoch were prepared beforehand."""

    def __init__(self, source: Some, order: Sequence[Sequence[int]]) -> None:
        self.lengths, self.labels = source.lengths, source.labels
        self._batches = {tuple(indices): source.batch(indices) for indices in order}

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Sequence[int]) -> Batch:
        """One of the batches."""
        return self._batches[tuple(indices)]


def bare_loop(training_state: TrainingState, batches: Sequence[Batch]) -> None:
    """Run the steps that any training must do."""
    training_state.model.train()
    for batch in batches:
        loss = training_state.output(batch).loss
        training_state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if training_state.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(training_state.learning, training_state.recipe.clip_norm)
        training_state.optimizer.step()


def busy_share(work: Work) -> float:
    """Return the share of wall time in which the GPU computed; with one stream, kernels do not overlap."""
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        started = perf_counter()
        work()
        torch.cuda.synchronize()
        wall = perf_counter() - started
    return float(sum(event.self_device_time_total for event in profile.key_averages())) / 1e6 / wall


def checkpoint_s(training_state: TrainingState) -> float:
    """Return the seconds it takes to write the state after an epoch."""
    figures = EpochFigures(1, 1, 1.0, 1.0, 0.1, 1.0, {"dev_ua": 0.5, "dev_wa": 0.5})
    best = {name: value.detach().clone() for name, value in training_state.model.state_dict().items()}
    state = FoldState(FoldHistory((figures,), 1), best, Shadow.empty())
    with tempfile.TemporaryDirectory() as scratch:
        save = lambda: save_checkpoint(Path(scratch), training_state=training_state, state=state, fingerprint={})  # noqa: E731
        return min(seconds(save, training_state.device) for _ in range(3))


def measured(preset: Preset, *, steps: int | None, rounds: int | None) -> dict[str, float]:
    """Return the figures of one model; unless given, as many steps and rounds as fit into some seconds."""
    device = device_of(PARAMS)
    recipe = preset.recipe
    corpus = RandomUtterances(preset, count=UTTERANCES, device=device)
    training_state = TrainingState.of(
        corpus.model(preset), recipe=recipe, params=PARAMS, task=EMOTIONS, seed=SEED, device=device
    )
    by_length = sequential_batches(corpus.lengths, batch_size=recipe.batch_size)
    if steps is None:
        median = [corpus.batch(by_length[len(by_length) // 2])]
        bare_loop(training_state, median)
        steps = int(np.clip(EPOCH_SECONDS / seconds(lambda: bare_loop(training_state, median), device), 1, MOST_STEPS))
        del median
    source = Some(
        corpus, [row for step in range(steps) for row in by_length[len(by_length) * (2 * step + 1) // (2 * steps)]]
    )
    order = epoch_batches(source, recipe=recipe, seed=SEED, epoch=EPOCH)
    ready = Ready(source, order)
    batches = [ready.batch(indices) for indices in order]
    blank = [torch.empty_like(values) for values in batches[len(batches) // 2].features.values()]
    ways: dict[str, Work] = {
        "bare": lambda: bare_loop(training_state, batches),
        "ready": lambda: train_epoch(training_state, ready, epoch=EPOCH),
        "made": lambda: train_epoch(training_state, source, epoch=EPOCH),
    }
    rounds = rounds or int(np.clip(SECONDS / seconds(ways["bare"], device), 1, MOST_ROUNDS))
    spent = medians(ways, device, rounds=rounds)
    passed = medians({way: ways[way] for way in ("bare", "made")}, device, rounds=rounds, wall=True)
    bare = spent["bare"] / len(order)
    writing = medians({"blank": lambda: [values.zero_() for values in blank]}, device, rounds=rounds)["blank"]
    saving = checkpoint_s(training_state) / np.ceil(REAL_UTTERANCES / recipe.batch_size)
    figures = {
        "steps": len(order),
        "step_ms": 1e3 * bare,
        "batch_mib": sum(values.nbytes for values in blank) / 2**20,
        "loop_overhead": spent["ready"] / spent["bare"] - 1,
        "loop_and_data_work": spent["made"] / spent["bare"] - 1,
        "loop_and_data_overhead": passed["made"] / passed["bare"] - 1,
        "writing_alone": writing / bare,
        "checkpoint": saving / bare,
    }
    if device.type == "cuda":
        figures["gpu_busy"] = busy_share(ways["made"])
    return figures


def main() -> None:
    """Measure, print ratios and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--steps", type=int, help=f"batches an epoch; default: what fits into {EPOCH_SECONDS} s, 1 to {MOST_STEPS}"
    )
    parser.add_argument("--rounds", type=int, help=f"default: what fits into {SECONDS} s, 1 to {MOST_ROUNDS}")
    parser.add_argument("--models", nargs="+", choices=list(FULL), help="only these")
    options = parser.parse_args()
    device = device_of(PARAMS)
    figures: dict[str, Any] = {}
    with deterministic(threads=PARAMS.threads):
        for preset in full_presets(options.models):
            figures[preset.variant] = row = measured(preset, steps=options.steps, rounds=options.rounds)
            print(f"{preset.variant:32} " + "  ".join(f"{name} {value:.3f}" for name, value in row.items()))
        write_result("trainer", {"device": device.type, "where": where(device), "models": figures})


if __name__ == "__main__":
    main()
