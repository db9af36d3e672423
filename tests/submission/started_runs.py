"""Runs that the command line starts on the KFP server of the tests."""

from pathlib import Path
from typing import Any

from tests.cli.command import Said, merflow
from tests.submission.kfp_server import KfpServer

VARIANT = "context-mmt:mmt-frozen"


def submitted(package: Path, *more: object) -> Said:
    said = merflow("pipeline", "submit", package, "--models", VARIANT, *more)
    assert said.code == 0, said
    return said


def started(kfp: KfpServer, packages: Path, *more: object) -> dict[str, Any]:
    """Submit a run; return it as the server has it."""
    submitted(packages / "benchmark.yaml", *more)
    return list(kfp.runs.values())[-1]
