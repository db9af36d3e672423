"""A benchmark's run in MLflow as jobs hand it on, and the files that remember what is to be uploaded for it."""

from pathlib import Path
from typing import Any

from pydantic import Field

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.strict import Strict

_FORMAT = 2
_REMEDY = "run the benchmark's own command again, which keeps its finished folds and writes this file anew"


class TrackedRun(Strict):
    """A benchmark's run in MLflow: enough to find it again from any process.

    Attributes:
        uri: The tracking server or database; None if nothing is tracked.
        experiment: Name of MLflow's experiment.
        name: The run's name for people.
        benchmark_id: Digest that is the same in every process and every repetition of this benchmark.
        tags: Task, corpus, versions of the data, protocol and commit.
        data_tags: DVC's versions of manifest and splits, for the run and all runs below it; empty if DVC has others.
        data_url: Address of the splits in DVC's remote; empty if DVC has none.
        params: Settings of the benchmark.
        workspace: Absolute path of the folder that all steps share.
        system_metrics_every_s: Seconds between measurements of the machine; 0 for none.
        ui: Address at which people open MLflow; empty if there is none.
        page: Page of the run there; empty if MLflow did not answer when the run was to be opened.
    """

    uri: str | None
    experiment: str
    name: str
    benchmark_id: str
    tags: dict[str, str]
    data_tags: dict[str, str] = Field(default_factory=dict)
    data_url: str = ""
    params: dict[str, Any]
    workspace: str
    system_metrics_every_s: float
    ui: str = ""
    page: str = ""


class RememberedFold(Strict):
    """The folder of a finished fold; a relative path is relative to the workspace."""

    folder: str


class RememberedResults(Strict):
    """Results, report and tables of a benchmark.

    Attributes:
        files: Paths by name in MLflow; a relative path is relative to the workspace.
        command: The command that reproduces the benchmark.
    """

    files: dict[str, str]
    command: str


def write_tracked_run(path: Path, run: TrackedRun) -> None:
    """Write the run, completely or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_typed(path, run, number=_FORMAT)


def read_tracked_run(path: Path) -> TrackedRun:
    """Read a run.

    Raises:
        FormatError: The file is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(TrackedRun, path, number=_FORMAT, remedy=_REMEDY)


def write_remembered(path: Path, remembered: RememberedFold | RememberedResults) -> None:
    """Write what is remembered of a fold or of the results, completely or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_typed(path, remembered, number=_FORMAT)


def read_remembered_fold(path: Path) -> RememberedFold:
    """Read what is remembered of a fold; raises as :func:`read_tracked_run`."""
    return read_typed(RememberedFold, path, number=_FORMAT, remedy=_REMEDY)


def read_remembered_results(path: Path) -> RememberedResults:
    """Read what is remembered of the results; raises as :func:`read_tracked_run`."""
    return read_typed(RememberedResults, path, number=_FORMAT, remedy=_REMEDY)
