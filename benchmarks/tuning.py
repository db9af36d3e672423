"""Does tuning find better parameters than the presets' own? Three models on the generated release, test data once.

Each study's first trial has the preset's own values, so that both figures come from the same folds, seed and epochs.
The best of thirty trials is chosen for its development UA, which flatters it: what it is worth say the test figures,
of all folds, that are computed once, when the study has ended, for the preset as it is and as it was tuned.
"""

import argparse
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from merflow.contracts.params import Params, read_params
from merflow.jobs.benchmark import benchmark, prepare
from merflow.jobs.source import Source
from merflow.jobs.tune import PRESETS, tune
from merflow.presets.own import read_own

# Variant -> cap on epochs, of the trials and of both presets that are tested; the models differ in what an epoch costs.
EPOCHS = {"foal-net:audio-only": 40, "context-mmt:mmt-frozen": 20, "mfdr:full": 6}
TRIALS, FOLDS = 30, (1, 2)


def parameters(variant: str, *, trials: int, workers: int) -> Params:
    """Those of a variant's study and test."""
    return read_params(
        Path(str(files("merflow") / "params.yaml")),
        overrides=(
            *(f"training.max_epochs={EPOCHS[variant]}", 'training.shadow_selection="off"', "tracking.uri=none"),
            *(f"tuning.trials={trials}", f"tuning.workers={workers}", f"tuning.folds={list(FOLDS)}"),
        ),
    )


def study(variant: str, *, out: Path, trials: int, workers: int) -> dict[str, Any]:
    """Figures of one variant: its study, and then the test."""
    params, source = parameters(variant, trials=trials, workers=workers), Source("synthetic", size="small")
    data = prepare(source, variants=[variant], out=out, params=params)
    preset = f"{variant.partition(':')[2]}-tuned"
    found = tune(
        variant,
        data,
        out=out / "tune" / variant.replace(":", "-"),
        study=variant,
        name=preset,
        params=params.tuning,
        training=params.training,
        tracking=params.tracking,
    )
    own = read_own(out / "tune" / variant.replace(":", "-") / PRESETS)
    tested = benchmark(
        source,
        variants=[variant, found["preset"]],
        out=out,
        params=params,
        name="tuning",
        command="python -m benchmarks.tuning",
        own=own,
        workers=workers,
    )
    both = tested["variants"]
    return {
        "max_epochs": EPOCHS[variant],
        "trials": found["trials"],
        "folds": list(FOLDS),
        "dev_UA": {"own": found["own"]["dev_UA"], "tuned": found["best"]["dev_UA"], "trial": found["best"]["trial"]},
        "values": found["best"]["values"],
        "importance": found["importance"],
        "test_UA": {"own": both[variant]["UA"], "tuned": both[found["preset"]]["UA"]},
        "comparison": tested["comparisons"][0],
        "split_id": tested["split_id"],
        "manifest_hash": tested["manifest_hash"],
    }


def main() -> None:
    """Searches, tests, records after every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--workers", type=int, default=1, help="one gives the same figures again")
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for variant in EPOCHS:
            figures[variant] = study(variant, out=Path(scratch), trials=options.trials, workers=options.workers)
            write_result("tuning", figures)


if __name__ == "__main__":
    main()
