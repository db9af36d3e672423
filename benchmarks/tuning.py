"""A test of tuning against the presets' own values: three models on the synthetic corpus, test data looked at once.

The first trial of each study has the preset's own values, so both figures come from the same folds, seed and epochs.
The best trial is chosen by its development UA, which makes that figure optimistic. The test figures say what it is
worth. They cover all folds and are computed once, after the study, for the preset as it is and as tuned.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, write_result
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.contracts.score_results import of_emotions
from merflow.corpus.source import CorpusSource
from merflow.jobs.benchmark import benchmark
from merflow.jobs.prepare import prepare
from merflow.jobs.tune import PRESETS, tune
from merflow.presets.user_presets import read_user_presets
from merflow.runs.provenance import git_commit
from merflow.storage.local import read_json

FOLDS = (1, 2)


@dataclass(frozen=True)
class Effort:
    """The budget of a study; the models differ in the cost of an epoch.

    Attributes:
        epochs: Maximum epochs of every trial, and of both presets tested.
    """

    epochs: int
    trials: int


EFFORTS = {
    "foal-net:audio-only": Effort(40, 30),
    "context-mmt:bert-te-frozen": Effort(8, 16),
    "mfdr:full": Effort(2, 12),
}


def parameters(effort: Effort, *, workers: int) -> Params:
    """Return the parameters of a variant's study and test."""
    return shipped_params(
        overrides=(
            *(f"training.max_epochs={effort.epochs}", 'training.shadow_selection="off"', "tracking.uri=none"),
            *(f"tuning.trials={effort.trials}", f"tuning.workers={workers}", f"tuning.folds={list(FOLDS)}"),
        ),
    )


def study(variant: str, effort: Effort, *, out: Path, workers: int) -> dict[str, Any]:
    """Return the figures of one variant: its study, then the test."""
    params, source = parameters(effort, workers=workers), CorpusSource("synthetic", size="small")
    data = prepare(source, variants=[variant], out=out, params=params)
    preset = f"{variant.partition(':')[2]}-tuned"
    results = tune(
        variant,
        data,
        out=out / "tune" / variant.replace(":", "-"),
        study=variant,
        name=preset,
        params=params.tuning,
        training=params.training,
        tracking=params.tracking,
    )
    own_dev_ua = None if results.untuned is None else results.untuned.figure
    tuned = read_user_presets(out / "tune" / variant.replace(":", "-") / PRESETS)
    tested = of_emotions(
        benchmark(
            source,
            variants=[variant, results.preset],
            out=out,
            params=params,
            name="tuning",
            command="python -m benchmarks.tuning",
            user_presets=tuned,
            workers=workers,
        )
    )
    (pair,) = tested.comparisons
    return {
        "max_epochs": effort.epochs,
        "trials": results.trials,
        "folds": list(FOLDS),
        "dev_UA": {"own": own_dev_ua, "tuned": results.best.figure, "trial": results.best.trial},
        "values": results.best.values,
        "importance": results.importance,
        "test_UA": {
            key: tested.variants[name].ua.model_dump(mode="json")
            for key, name in (("own", variant), ("tuned", results.preset))
        },
        "comparison": {"delta_UA": pair.delta_ua, **pair.model_dump(mode="json", exclude={"delta_ua"})},
        "commit": git_commit(),
        "split_id": tested.split_id,
        "manifest_hash": tested.manifest_hash,
    }


def main() -> None:
    """Search, test, and record after every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, help="one gives the same figures again")
    parser.add_argument("--models", nargs="+", choices=EFFORTS, default=list(EFFORTS), help="others' figures stay")
    options = parser.parse_args()
    before = RESULTS / "tuning.json"
    figures = read_json(before)["figures"] if before.is_file() else {}
    with tempfile.TemporaryDirectory() as scratch:
        for variant in options.models:
            figures[variant] = study(variant, EFFORTS[variant], out=Path(scratch), workers=options.workers)
            write_result("tuning", figures)


if __name__ == "__main__":
    main()
