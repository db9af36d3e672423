"""What would the whole frozen benchmark cost at IEMOCAP's size? Extrapolated from steps that are measured.

Five full presets, five folds, the papers' batch sizes and epochs, random features with IEMOCAP's lengths, resident on
the device. A fold's utterances are cut into batches by length; some of these, from the shortest to the longest, are
really trained on and really evaluated, and the time of the others is interpolated between them. An epoch is one pass
of training over 70 % of the corpus (four sessions without one speaker) and one of evaluation over the other 30 %
(development and test). Where a preset stops by patience, all epochs that its recipe allows are counted, which is the
most that it can cost. Left out: reading features from disk, and checkpoints (see ``benchmarks.trainer``).
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.random_features import RandomUtterances, full_presets
from benchmarks.record import write_result
from benchmarks.trainer import PARAMS, SEED, seconds
from merflow.contracts.presets import Preset
from merflow.features.bucketing import sequential_batches
from merflow.training.determinism import deterministic
from merflow.training.devices import device_of
from merflow.training.optimization import Bench, develop, train_epoch

UTTERANCES, FOLDS = 5531, 5
TRAIN_SHARE = 0.7


class Some:
    """A few utterances of a source, as one batch; a :class:`merflow.training.stages.Source`."""

    def __init__(self, source: RandomUtterances, indices: Sequence[int]) -> None:
        self._source, self._indices = source, np.asarray(indices)
        self.lengths, self.labels = source.lengths[self._indices], source.labels[self._indices]
        self.batch = lambda places: source.batch(self._indices[list(places)].tolist())

    def __len__(self) -> int:
        return len(self._indices)


def pass_s(
    source: RandomUtterances, *, count: int, batch_size: int, points: int, work: Callable[[Some], object]
) -> float:
    """Seconds of one pass over ``count`` utterances, from measurements at some batches by length."""
    device = device_of(PARAMS)
    batches = sequential_batches(source.lengths[:count], batch_size=batch_size)
    places = np.unique(np.linspace(0, len(batches) - 1, points).round().astype(int))
    found = []
    for place in places:
        some = Some(source, batches[place])
        work(some)  # warms up
        found.append(median(seconds(lambda some=some: work(some), device) for _ in range(3)))  # type: ignore[misc]
    return float(np.interp(np.arange(len(batches)), places, found).sum())


def measured(preset: Preset, *, points: int) -> dict[str, float]:
    """The cost of one preset."""
    device = device_of(PARAMS)
    recipe = preset.recipe
    source = RandomUtterances(preset, count=UTTERANCES, device=device)
    bench = Bench.of(source.model(preset), recipe=recipe, params=PARAMS, seed=SEED, device=device)
    trained, evaluated = round(TRAIN_SHARE * UTTERANCES), round((1 - TRAIN_SHARE) * UTTERANCES)
    sizes: dict[str, Any] = {"batch_size": recipe.batch_size, "points": points}
    training_s = pass_s(source, count=trained, work=lambda some: train_epoch(bench, some, epoch=1), **sizes)
    evaluation_s = pass_s(source, count=evaluated, work=lambda some: develop(bench, some, epoch=1), **sizes)
    epoch_s = training_s + evaluation_s
    return {
        "epochs": recipe.max_epochs,
        "training_s_an_epoch": training_s,
        "evaluation_s_an_epoch": evaluation_s,
        "minutes_a_fold": recipe.max_epochs * epoch_s / 60,
        "minutes": FOLDS * recipe.max_epochs * epoch_s / 60,
    }


def main() -> None:
    """Measures, extrapolates, records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=6, help="batches that are measured, from the shortest on")
    parser.add_argument("--models", nargs="+", help="only these")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with deterministic(threads=PARAMS.threads):
        for preset in full_presets(options.models):
            figures[preset.variant] = measured(preset, points=options.points)
            row = figures[preset.variant]
            print(f"{preset.variant:32} " + "  ".join(f"{name} {value:.2f}" for name, value in row.items()))
    figures["all"] = {"minutes": sum(row["minutes"] for row in figures.values()), "one_after_another": True}
    figures["extrapolated"] = True
    device = device_of(PARAMS)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {PARAMS.threads} thread"
    print(f"all of it, one fold after another, on {where}: {figures['all']['minutes']:.0f} minutes (extrapolated)")
    write_result("real_size", figures)


if __name__ == "__main__":
    main()
