"""What code and data a step stands on: digests that make a cached step stale when either changes."""

import csv
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import merflow

_SOURCE = Path(merflow.__path__[0])


def corpus_fingerprint(root: Path) -> str:
    """16 hexadecimal digits over names, sizes and times of a corpus' files; cheap, and it changes when a file does.

    A release is its folder; a table is the CSV and the files that it names.
    """
    if not root.is_file():
        return folder_fingerprint(root)
    return _fingerprint(_files_of_table(root), content=root.read_bytes())


def folder_fingerprint(folder: Path) -> str:
    """As :func:`corpus_fingerprint`, of everything in a folder: a release, or pretrained models."""
    return _fingerprint({Path(place) / name for place, _, names in os.walk(folder) for name in names})


def _fingerprint(paths: Iterable[Path], *, content: bytes = b"") -> str:
    summary = hashlib.sha256(content)
    for path in sorted(paths):
        facts = path.stat() if path.is_file() else None
        summary.update(f"{path}\0{facts and (facts.st_size, facts.st_mtime_ns)}\n".encode())
    return summary.hexdigest()[:16]


def _files_of_table(table: Path) -> set[Path]:
    with table.open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = csv.DictReader(lines)
        columns = [name for name in rows.fieldnames or () if name.endswith("_path")]
        return {table.parent / row[name] for row in rows for name in columns if row[name]}


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
