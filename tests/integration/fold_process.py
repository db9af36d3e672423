"""A fold in a separate process that reports its progress: from a corpus, or of random features."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from merflow.contracts.params import Params, TrainingParams
from merflow.jobs.extract import extract
from merflow.jobs.train import train
from tests.training import random_fold

VARIANT = "context-mmt:mmt-frozen"

# A stage and the steps done in it, as jobs tell their progress.
Step = tuple[str, int]


def start(corpus: Path, work: Path, params: Params) -> tuple[ForkServerProcess, Iterator[Step]]:
    """Start the fold from the state of ``work``; the steps end when the process does.

    Args:
        corpus: Folder of ``manifest.parquet`` and ``splits.parquet``.
        work: Folder of the store, the checkpoints and the finished fold.
        params: All parameters.
    """
    return _started(_run, corpus, work, params)


def start_random(
    variant: str, folder: Path, params: TrainingParams, recipe: dict[str, object]
) -> tuple[ForkServerProcess, Iterator[Step]]:
    """Start a fold of random features from the folder's checkpoint; it never reaches its last epoch."""
    return _started(_run_random, variant, folder, params, recipe)


def _started(run: Callable[..., None], *arguments: object) -> tuple[ForkServerProcess, Iterator[Step]]:
    context = multiprocessing.get_context("forkserver")
    # Loaded once for all processes; torch loads its compiler with the first optimizer.
    context.set_forkserver_preload([__name__, "torch._dynamo"])
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(*arguments, theirs))
    process.start()
    theirs.close()
    return process, _steps(mine)


def _steps(told: Connection) -> Iterator[Step]:
    with told:
        while True:
            try:
                yield told.recv()
            except EOFError:
                return


def _run(corpus: Path, work: Path, params: Params, told: Connection) -> None:
    def tell(stage: str, done: int, _total: int) -> None:
        told.send((stage, done))

    features = extract(
        corpus / "manifest.parquet",
        variants=[VARIANT],
        store=work / "store",
        out=work / "features.json",
        params=params.features,
        corpus=params.corpus,
        progress=tell,
    )
    train(
        f"{VARIANT}:1",
        manifest=corpus / "manifest.parquet",
        splits=corpus / "splits.parquet",
        features=features,
        out=work / "fold",
        checkpoints=work / "checkpoints",
        params=params.training,
        progress=tell,
    )


def _run_random(
    variant: str, folder: Path, params: TrainingParams, recipe: dict[str, object], told: Connection
) -> None:
    def tell(epoch: int, last: int, _figures: object) -> None:
        told.send(("train", epoch))
        if epoch == last - 1:
            time.sleep(60)

    random_fold.train(variant, folder, params=params, recipe=recipe, progress=tell)
