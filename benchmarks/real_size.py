"""The cost of a whole frozen benchmark at IEMOCAP's size, extrapolated from measured steps.

Five full presets, five folds, the papers' batch sizes and epochs, random features with IEMOCAP's lengths, resident on
the device. The utterances of a fold are cut into batches by length. Some of these batches, from the shortest to nearly
the longest, are really trained and evaluated. The time of the others is interpolated by length between them, and beyond
them is proportional to it. An epoch is one training pass over 70% of the corpus (four sessions without one speaker) and
one evaluation pass over the other 30% (development and test). If a preset stops by patience, all epochs that its recipe
allows are counted, which is its maximum cost. Reading features from disk and checkpoints are left out (see
``benchmarks.trainer``). Times are those of one CPU thread or one GPU, one fold after another.

The operations of matrix products and attention are counted in the same steps. They say how fast a device must compute
overall for the benchmark to finish in the 15 minutes that are the aim on one GPU.
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.random_features import EMOTIONS, FULL, UTTERANCES, RandomUtterances, Some, full_presets
from benchmarks.record import write_result
from benchmarks.stopwatch import seconds, where
from benchmarks.trainer import PARAMS, SEED
from merflow.contracts.presets import Preset
from merflow.features.batches.bucketing import sequential_batches
from merflow.inference.determinism import deterministic
from merflow.inference.devices import device_of
from merflow.training.optimization import TrainingState, develop, train_epoch

FOLDS = 5
TRAIN_SHARE = 0.7
LAST = 0.95
AIM_MINUTES = 15


class Cost(NamedTuple):
    """The cost of some work: seconds, and operations (a product and its sum count as two)."""

    seconds: float
    operations: float


def pass_cost(
    source: RandomUtterances,
    *,
    count: int,
    batch_size: int,
    points: int,
    work: Callable[[Some], object],
    alike: Callable[[Some], object] | None = None,
) -> Cost:
    """Return the cost of one pass over ``count`` utterances, from measurements at some batches by length.

    ``alike`` has the operations of ``work`` where these cannot be counted: PyTorch's counter does not support inference
    mode.
    """
    device = device_of(PARAMS)
    batches = sequential_batches(source.lengths[:count], batch_size=batch_size)
    longest = np.array([source.lengths[batch].max() for batch in batches])
    # Few batches are much longer than the rest, and would take most of the time to measure.
    places = np.unique(np.linspace(0, LAST * (len(batches) - 1), points).round().astype(int))
    found = []
    for place in places:
        step = partial(work, Some(source, batches[place]))
        operations = counted(partial(alike or work, Some(source, batches[place])))  # warms up, too
        spent = median(seconds(step, device) for _ in range(5 if device.type == "cuda" else 1))
        found.append(Cost(spent, operations))
    longer = np.maximum(1, longest / longest[places[-1]])
    return Cost(
        *(float((np.interp(longest, longest[places], each) * longer).sum()) for each in zip(*found, strict=True))
    )


def counted(work: Callable[[], object]) -> float:
    """Return the number of operations in matrix products and attention, backward pass included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def evaluate(training_state: TrainingState, some: Some) -> None:
    """Run a forward pass over all of these utterances at once."""
    training_state.model.eval()
    with torch.no_grad():
        training_state.output(some.batch(range(len(some))).to(training_state.device))


def measured(preset: Preset, *, points: int) -> dict[str, float]:
    """Return the cost of one preset."""
    device = device_of(PARAMS)
    recipe = preset.recipe
    source = RandomUtterances(preset, count=UTTERANCES, device=device)
    training_state = TrainingState.of(
        source.model(preset), recipe=recipe, params=PARAMS, task=EMOTIONS, seed=SEED, device=device
    )
    trained, evaluated = round(TRAIN_SHARE * UTTERANCES), round((1 - TRAIN_SHARE) * UTTERANCES)
    sizes: dict[str, Any] = {"batch_size": recipe.batch_size, "points": points}
    training = pass_cost(source, count=trained, work=lambda some: train_epoch(training_state, some, epoch=1), **sizes)
    evaluation = pass_cost(
        source,
        count=evaluated,
        work=lambda some: develop(training_state, some, epoch=1),
        alike=partial(evaluate, training_state),
        **sizes,
    )
    epoch_s = training.seconds + evaluation.seconds
    return {
        "epochs": recipe.max_epochs,
        "training_s_an_epoch": training.seconds,
        "evaluation_s_an_epoch": evaluation.seconds,
        "minutes_a_fold": recipe.max_epochs * epoch_s / 60,
        "minutes": FOLDS * recipe.max_epochs * epoch_s / 60,
        "pflop": FOLDS * recipe.max_epochs * (training.operations + evaluation.operations) / 1e15,
    }


def main() -> None:
    """Measure, extrapolate and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5, help="batches that are measured, shortest to longest")
    parser.add_argument("--models", nargs="+", choices=list(FULL), help="only these")
    options = parser.parse_args()
    device = device_of(PARAMS)
    found: dict[str, dict[str, float]] = {}
    with deterministic(threads=PARAMS.threads):
        for preset in full_presets(options.models):
            found[preset.variant] = row = measured(preset, points=options.points)
            print(f"{preset.variant:32} " + "  ".join(f"{name} {value:.2f}" for name, value in row.items()))
        place = where(device)
    hours = sum(row["minutes"] for row in found.values()) / 60
    pflop = sum(row["pflop"] for row in found.values())
    needed = pflop * 1e3 / (60 * AIM_MINUTES)
    print(f"all, one fold after another: {hours:.1f} hours ({place}, extrapolated); {pflop:.0f} PFLOP")
    print(f"{AIM_MINUTES} minutes on one device are {needed:.0f} TFLOP/s, all in all")
    figures = {"hours": hours, "pflop": pflop, "aim_minutes": AIM_MINUTES, "needed_tflop_s": needed}
    write_result("real_size", {"device": device.type, "where": place, **figures, "models": found})


if __name__ == "__main__":
    main()
