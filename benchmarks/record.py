"""A record of a measurement: figures, machine, code and command."""

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from merflow.runs.provenance import git_commit, merflow_version
from merflow.storage.local import read_json, write_json

RESULTS = Path(__file__).parent / "results"
# A GPU's results stand beside those of a CPU.
ON_GPU = "-gpu"

# What ``results/<name>.json`` holds.
Result = dict[str, Any]


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, accelerator and the versions that matter."""
    cpuinfo = Path("/proc/cpuinfo")
    models = (
        {line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")}
        if cpuinfo.is_file()
        else set()
    )
    return {
        "processor": ", ".join(sorted(models)) or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Write ``results/<name>.json``, or ``<name>-gpu.json`` if ``device`` is cuda, and return its path."""
    path = RESULTS / f"{name}{ON_GPU if figures.get('device') == 'cuda' else ''}.json"
    write_json(
        path,
        {
            "figures": figures,
            "command": " ".join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]]),
            "machine": machine(),
            "merflow": merflow_version(),
            "commit": git_commit(),
            "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        },
    )
    print(f"written: {path}")
    return path


def read_result(name: str) -> Result | None:
    """Return the last result recorded under this name, or None."""
    path = RESULTS / f"{name}.json"
    return read_json(path) if path.is_file() else None
