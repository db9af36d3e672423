"""Measurements of a package in new processes: smoke test, time per clip, peak resident memory and size."""

import platform
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from merflow.contracts.costs import Costs, Round, SmokeTest
from merflow.contracts.machine import usable_cores
from merflow.contracts.processes import in_processes
from merflow.contracts.task import Regression, Task
from merflow.inference.answers import Answer, Prediction, ScorePrediction
from merflow.inference.media_clips import Clip

# Predicts the probabilities ``(N, C)``, or the scores ``(N, 1)``, of N clips.
Predict = Callable[[Sequence[Clip]], np.ndarray]
_MIB = 2**20
_SUM_TOLERANCE = 1e-3

Result = TypeVar("Result")


@dataclass(frozen=True)
class PackageLoader:
    """A picklable loader of packages.

    Attributes:
        encoders_folder: ``features.encoders_folder``: a folder with the pretrained encoders; empty for the hub's cache.
        device: Device to predict on.
    """

    encoders_folder: str = ""
    device: str = "cpu"

    def __call__(self, folder: Path) -> Predict:
        """Load a package and return its prediction.

        Raises:
            MerflowError: The package or one of its encoders is missing or damaged.
        """
        from merflow.inference.packaged_model import load_package

        model = load_package(folder, encoders_folder=self.encoders_folder, device=self.device)

        def predict(clips: Sequence[Clip]) -> np.ndarray:
            return np.array([_outputs(found) for found in model.predict(clips)])

        return predict


Loader = Callable[[Path], Predict]


def _outputs(found: Answer) -> list[float]:
    """Return the probabilities of an answer, or its score."""
    if isinstance(found, Prediction):
        return list(found.probabilities.values())
    assert isinstance(found, ScorePrediction)
    return [found.score]


def smoke_test(folder: Path, clips: Sequence[Clip], *, task: Task, load: Loader) -> SmokeTest:
    """Load a package in a new process and predict; a failure is reported, not raised.

    Args:
        folder: The package.
        clips: A few clips.
        task: The task that it predicts.
        load: Function that loads it; must be picklable.
    """
    start_s = time.perf_counter()
    try:
        error = _fresh(partial(_tried, folder, tuple(clips), task=task, load=load))
    except BrokenProcessPool:
        error = "the process was killed, perhaps because memory ran out"
    seconds = time.perf_counter() - start_s
    return SmokeTest(passed=not error, clips=len(clips), seconds=seconds, error=error)


def measure_costs(
    folders: Sequence[Path], clips: Sequence[Clip], *, load: Loader, rounds: int = 2, repeats: int = 3
) -> tuple[Costs, ...]:
    """Measure packages in turn, each time in a new process, so that a busy moment does not affect only one of them.

    Args:
        folders: The packages: the candidate, and the champion if there is one.
        clips: Clips that are predicted one at a time.
        load: Function that loads a package; must be picklable.
        rounds: New processes per package.
        repeats: Timed predictions per clip and process, after one that is not timed.

    Raises:
        MerflowError: A package cannot be loaded, or does not predict.
        BrokenProcessPool: A process was killed, for example because memory ran out.
    """
    measured: list[list[Round]] = [[] for _ in folders]
    for _ in range(rounds):
        for index, folder in enumerate(folders):
            measured[index].append(_fresh(partial(_round, folder, tuple(clips), repeats=repeats, load=load)))
    measurement = secrets.token_hex(8)
    machine = f"{platform.machine()}, {usable_cores()} cores"
    return tuple(
        Costs(
            measurement=measurement,
            machine=machine,
            clips=len(clips) * repeats,
            rounds=tuple(each),
            size_mib=_size_mib(folder),
        )
        for folder, each in zip(folders, measured, strict=True)
    )


def _fresh(call: Callable[[], Result]) -> Result:
    """Return the result of a call in a new process."""
    results: list[Result] = []
    in_processes([call], workers=1, finished=results.append)
    return results[0]


def _tried(folder: Path, clips: Sequence[Clip], *, task: Task, load: Loader) -> str:
    """Load and predict; return the error in one line, or an empty string."""
    try:
        found = load(folder)(clips)
    except Exception as error:  # any error means that the package cannot be used
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    named = "scores" if isinstance(task, Regression) else "probabilities"
    if found.shape != (len(clips), task.outputs):
        wanted = f"{task.outputs} classes" if named == "probabilities" else "one score each"
        return f"it returned {named} of shape {found.shape} for {len(clips)} clips and {wanted}"
    if isinstance(task, Regression):
        return "" if np.isfinite(found).all() else "its scores are not finite"
    if not np.isfinite(found).all() or (found < 0).any() or (np.abs(found.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
        return "its probabilities are not a distribution over the classes"
    return ""


def _round(folder: Path, clips: Sequence[Clip], *, repeats: int, load: Loader) -> Round:
    start_s = time.perf_counter()
    predict = load(folder)
    load_s = time.perf_counter() - start_s
    for clip in clips:
        predict([clip])
    times_ms = []
    for clip in [*clips] * repeats:
        before_s = time.perf_counter()
        predict([clip])
        times_ms.append(1000 * (time.perf_counter() - before_s))
    return Round(
        load_s=load_s, latency_p95_ms=float(np.percentile(times_ms, 95)), peak_resident_mib=_peak_resident_mib()
    )


def _peak_resident_mib() -> float:
    """Return the highest resident memory of this process.

    ``getrusage`` would count the process that started this one, whose memory a fork shares for a moment.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if platform.system() == "Darwin" else peak / 1024


def _size_mib(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _MIB
