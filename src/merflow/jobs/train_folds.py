"""All folds of a benchmark, each trained in a process of its own.

Every process imports this module, so it imports only what training needs.
"""

import io
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.params import TrainingParams
from merflow.contracts.processes import in_processes
from merflow.contracts.progress import Progress, plain_lines
from merflow.errors import TrainingError
from merflow.inference.devices import gpus
from merflow.jobs.train import train
from merflow.runs.workspace import Workspace


def train_folds(
    items: Sequence[str],
    *,
    workspace: Workspace,
    shared: dict[str, Any],
    params: TrainingParams,
    workers: int,
    progress: Progress | None,
) -> list[Path]:
    """Train all folds and return their folders in the same order; if a fold fails, the others are stopped.

    The processes are spread evenly over the GPUs.

    Args:
        items: Ids of the folds.
        workspace: Has the folders of folds and checkpoints.
        shared: The arguments of :func:`merflow.jobs.train.train` that all folds share.
        params: Parameters of training.
        workers: Number of processes.
        progress: Receives the progress; the processes then print nothing. None prints plain lines from all of them.

    Raises:
        MerflowError: A fold cannot be trained.
        TrainingError: A process was killed.
    """
    folders = [workspace.fold(parse_fold_id(item)) for item in items]
    train_one = _train_printing if progress is None else _train_silently
    tell = progress or plain_lines()
    trained = 0

    def finished(output: str) -> None:
        nonlocal trained
        trained += 1
        sys.stderr.write(output)
        tell("train folds", trained, len(items))

    tell("train folds", 0, len(items))
    calls = [
        partial(train_one, item, out=folder, checkpoints=workspace.checkpoints, params=params, **shared)
        for item, folder in zip(items, folders, strict=True)
    ]
    try:
        in_processes(
            calls,
            workers=workers,
            finished=finished,
            environments=[{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus(params)],
        )
    except BrokenProcessPool as error:
        raise TrainingError(
            f"the process of a fold was killed, perhaps for lack of memory ({workers} ran at the same time); run the "
            "same command again with fewer --workers"
        ) from error
    return folders


def _train_printing(item: str, **settings: Any) -> str:  # noqa: ANN401 - as `train`
    train(item, **settings)
    return ""


def _train_silently(item: str, **settings: Any) -> str:  # noqa: ANN401 - as `train`
    """Train a fold and return its output lines; the parent process prints them between its progress bars."""
    output = io.StringIO()
    with redirect_stderr(output):
        train(item, progress=lambda *_: None, **settings)
    return output.getvalue()
