"""The options of a run as the command line passes them on, most of them not given."""

from collections.abc import Sequence
from typing import Any

from merflow.submission.arguments import RunOptions


def run_options(*, models: Sequence[str] = (), command: str = "", **further: Any) -> RunOptions:  # noqa: ANN401 - as --arg
    """Return the options, with these values of ``--arg``."""
    return RunOptions(
        models=models,
        corpus=None,
        root=None,
        size=None,
        task=None,
        name=None,
        preset=None,
        quarantine=False,
        transcribe=False,
        presets=None,
        further=further,
        params=None,
        overrides=(),
        command=command,
    )
