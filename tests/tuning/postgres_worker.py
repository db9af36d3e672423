"""A worker of a study in a database: ``python -m tests.tuning.postgres_worker URL WORKER TRIALS FOLDER``.

Each trial leaves a file with the worker's number. Worker 0 hangs in its third trial, as one whose machine is lost.
"""

import sys
import time
from pathlib import Path

from merflow.tuning.study import StudyLocation, open_study
from merflow.tuning.worker import Attempt, work
from tests.tuning.studies import SUBJECT, params, quality, space


def main() -> None:
    """Works until the study has its trials."""
    url, worker, trials, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    chosen = params(trials=trials, pruning_trials=100)
    study = open_study(StudyLocation.of(url, folder=folder, name="test"), subject=SUBJECT, params=chosen)
    begun = 0

    def objective(attempt: Attempt) -> float:
        nonlocal begun
        begun += 1
        attempt.report(quality(attempt.values), step=1)
        if worker == 0 and begun == 3:
            (folder / "hangs").write_text(str(attempt.trial.number))
            time.sleep(600)
        time.sleep(0.3)
        (folder / f"trial-{attempt.trial.number}").write_text(str(worker))
        return quality(attempt.values)

    work(study, objective, space=space(), params=chosen, worker=worker)


if __name__ == "__main__":
    main()
