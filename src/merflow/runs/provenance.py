"""What code and data a step stands on: digests that make a cached step stale when either changes."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import merflow
from merflow.contracts.fold_record import Environment

_SOURCE = Path(merflow.__path__[0])

# What each step's result depends on. What a preset's own model adds to `extract` and `train` is in `jobs.presets`.
_CLOSURES: dict[str, tuple[str, ...]] = {
    "plan": ("contracts", "presets"),
    "presets": ("contracts", "models", "presets", "folds/presets.py"),
    "index": ("contracts", "corpus", "jobs/index.py"),
    "validate": ("contracts", "corpus", "jobs/validate.py"),
    "split": ("contracts", "corpus", "jobs/split.py"),
    "transcribe": ("contracts", "corpus", "jobs/transcribe.py"),
    "extract": ("contracts", "corpus", "features", "presets/catalogue.py", "presets/profiles", "jobs/extract.py"),
    "train": (
        *("contracts", "corpus/manifest.py", "corpus/samples.py", "corpus/splitting/splits.py", "corpus/transcript.py"),
        *("evaluation/inspected.py", "evaluation/metrics.py", "features", "models/folder.py", "models/layers.py"),
        "models/windows.py",
        *("training", "jobs/train.py", "folds/fit.py", "runs/fold_folder.py", "folds/inputs.py", "folds/datasets.py"),
        *("folds/inspection.py", "folds/record.py"),
    ),
    "tune": (
        *("contracts", "corpus/manifest.py", "corpus/samples.py", "corpus/splitting/splits.py", "corpus/transcript.py"),
        *("evaluation/metrics.py", "features", "models", "presets", "tracking", "training", "tuning"),
        *("folds/fit.py", "folds/inputs.py", "folds/datasets.py"),
        *("tuning/search.py", "jobs/study_tracking.py", "jobs/trials.py", "jobs/tune.py"),
    ),
    "evaluate": (
        *(
            "contracts",
            "corpus/splitting/baselines.py",
            "corpus/durations.py",
            "corpus/manifest.py",
            "corpus/splitting/splits.py",
        ),
        *("corpus/transcript.py", "evaluation", "presets", "tracking"),
        *("jobs/evaluate.py", "runs/fold_folder.py", "jobs/sync.py"),
    ),
    "plots": ("contracts", "evaluation/report/plot_tables.py", "jobs/plots.py", "runs/fold_folder.py"),
}


def code_digest(step: str) -> str:
    """16 hexadecimal digits over the source files that the step depends on."""
    return source_digest([_SOURCE / room for room in _CLOSURES[step]])


def source_digest(places: Iterable[Path]) -> str:
    """16 hexadecimal digits over names and content of merflow's source files: these, and those in these folders."""
    summary = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else [path for path in place.rglob("*") if _is_source(path)]
        for path in sorted(files):
            summary.update(f"{path.relative_to(_SOURCE)}\0".encode())
            summary.update(path.read_bytes())
    return summary.hexdigest()[:16]


def code_digests() -> dict[str, str]:
    """The code digest of every step."""
    return {step: code_digest(step) for step in _CLOSURES}


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def git_commit() -> str:
    """The commit of the code that runs, ``-dirty`` behind it where files differ.

    Outside a git checkout it is what ``MERFLOW_REVISION`` says, as in the images; empty where nothing does.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != _SOURCE.parents[1]:  # installed inside another project
            return os.environ.get("MERFLOW_REVISION", "")
        return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("MERFLOW_REVISION", "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(_SOURCE), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def merflow_version() -> str:
    """Return the installed version."""
    return version("merflow")


def environment(*, device: str | None = None) -> Environment:
    """Return the versions of the software that computes here.

    Args:
        device: Name of the device that computes; None for the machine's processors.
    """
    return Environment(
        merflow=merflow_version(),
        python=platform.python_version(),
        torch=version("torch"),
        numpy=version("numpy"),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        device=device or platform.machine(),
    )
