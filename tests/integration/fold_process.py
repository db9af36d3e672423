"""One fold from its features to its predictions, in a process of its own that tells how far it is."""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from merflow.contracts.params import Params
from merflow.jobs.extract import extract
from merflow.jobs.train import train

VARIANT = "context-mmt:mmt-frozen"

# A stage and the steps done in it, as jobs tell their progress.
Step = tuple[str, int]


def start(corpus: Path, work: Path, params: Params) -> tuple[ForkServerProcess, Iterator[Step]]:
    """Starts the fold from whatever ``work`` holds; the steps end when the process does.

    Args:
        corpus: Folder of ``manifest.parquet`` and ``splits.parquet``.
        work: Folder of the store, the checkpoints and the finished fold.
        params: All parameters.
    """
    context = multiprocessing.get_context("forkserver")
    # Loaded once for all processes; torch loads its compiler with the first optimiser.
    context.set_forkserver_preload([__name__, "torch._dynamo"])
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(corpus, work, params, theirs))
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
