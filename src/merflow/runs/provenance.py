"""What code and data a step stands on: digests that make a cached step stale when either changes."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import merflow

_SOURCE = Path(merflow.__path__[0])


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
    """The installed version."""
    return version("merflow")


def environment() -> dict[str, str]:
    """Versions of what computes: merflow, Python, torch, numpy, and the operating system with its machine."""
    import torch

    return {
        "merflow": merflow_version(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy")},
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else platform.machine(),
    }
