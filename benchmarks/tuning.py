"""Does tuning find better parameters than the presets' own? Three models on the generated release, test data once.

Each study's first trial has the preset's own values, so that both figures come from the same folds, seed and epochs.
The best trial is chosen for its development UA, which flatters it: what it is worth say the test figures,
of all folds, that are computed once, when the study has ended, for the preset as it is and as it was tuned.
"""

import argparse
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, write_result
from merflow.contracts.params import Params, read_params
from merflow.corpus.source import CorpusSource
from merflow.jobs.benchmark import benchmark, prepare
from merflow.jobs.tune import PRESETS, tune
from merflow.presets.user_presets import read_user_presets
from merflow.runs.provenance import git_commit
from merflow.storage.local import read_json

FOLDS = (1, 2)


@dataclass(frozen=True)
class Effort:
    """What a study may cost; the models differ in what an epoch does.

    Attributes:
        epochs: Cap of every trial, and of both presets that are tested.
    """

    epochs: int
    trials: int


EFFORTS = {
    "foal-net:audio-only": Effort(40, 30),
    "context-mmt:bert-te-frozen": Effort(8, 16),
    "mfdr:full": Effort(2, 12),
}


def parameters(effort: Effort, *, workers: int) -> Params:
    """Those of a variant's study and test."""
    return read_params(
        Path(str(files("merflow") / "params.yaml")),
        overrides=(
            *(f"training.max_epochs={effort.epochs}", 'training.shadow_selection="off"', "tracking.uri=none"),
            *(f"tuning.trials={effort.trials}", f"tuning.workers={workers}", f"tuning.folds={list(FOLDS)}"),
        ),
    )


def study(variant: str, effort: Effort, *, out: Path, workers: int) -> dict[str, Any]:
    """Figures of one variant: its study, and then the test."""
    params, source = parameters(effort, workers=workers), CorpusSource("synthetic", size="small")
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
    own = read_user_presets(out / "tune" / variant.replace(":", "-") / PRESETS)
    tested = benchmark(
        source,
        variants=[variant, found["preset"]],
        out=out,
        params=params,
        name="tuning",
        command="python -m benchmarks.tuning",
        user_presets=own,
        workers=workers,
    )
    both = tested["variants"]
    return {
        "max_epochs": effort.epochs,
        "trials": found["trials"],
        "folds": list(FOLDS),
        "dev_UA": {"own": found["own"]["dev_UA"], "tuned": found["best"]["dev_UA"], "trial": found["best"]["trial"]},
        "values": found["best"]["values"],
        "importance": found["importance"],
        "test_UA": {"own": both[variant]["UA"], "tuned": both[found["preset"]]["UA"]},
        "comparison": tested["comparisons"][0],
        "commit": git_commit(),
        "split_id": tested["split_id"],
        "manifest_hash": tested["manifest_hash"],
    }


def main() -> None:
    """Searches, tests, records after every model."""
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
