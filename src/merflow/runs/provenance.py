"""The running code and its software: commit, version, environment."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import merflow
from merflow.contracts.planned_fold import Environment

_SOURCE = Path(merflow.__path__[0])


def git_commit() -> str:
    """Return the commit of the running code, with ``-dirty`` appended if files differ from it.

    Outside a git checkout, as in the images, return the value of ``MERFLOW_REVISION``, or an empty text if it is unset.
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
    """Return the versions of the software in use.

    Args:
        device: Name of the device in use; None for the machine's CPUs.
    """
    return Environment(
        merflow=merflow_version(),
        python=platform.python_version(),
        torch=version("torch"),
        numpy=version("numpy"),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        device=device or platform.machine(),
    )
