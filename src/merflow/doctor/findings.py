"""Checks of the services that runs need, and their findings: what works, what does not, and how to fix it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from merflow.errors import MerflowError

State = Literal["ok", "warning", "wrong", "not configured"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        state: ``wrong`` would make runs fail; ``not configured`` was not checked.
        said: What was found.
        remedy: One thing to do; empty if there is nothing to do.
    """

    state: State
    said: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON for machines."""
        return asdict(self)


Check = Callable[[], Finding]


def examine(checks: Mapping[str, Check], *, timeout_s: float) -> dict[str, Finding]:
    """Run all checks at the same time; return their findings in the order of the checks.

    Args:
        checks: Checks by name.
        timeout_s: Seconds after which a check counts as wrong; its thread is abandoned.
    """
    found: dict[str, Finding] = {}
    threads = {
        name: threading.Thread(target=_run, args=(name, check, found), daemon=True) for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    until = time.monotonic() + timeout_s
    for thread in threads.values():
        thread.join(max(0.0, until - time.monotonic()))
    late = Finding(
        "wrong",
        f"no answer within {timeout_s:g} s",
        "check the network between this machine and the service, or allow more time with --timeout",
    )
    return {name: found.get(name, late) for name in checks}


def finding_of(error: MerflowError) -> Finding:
    """Return an error as a finding: what is wrong, and, after the last semicolon, what to do."""
    said, _, remedy = str(error).rpartition("; ")
    return Finding("wrong", said or remedy, remedy if said else "")


def _run(name: str, check: Check, found: dict[str, Finding]) -> None:
    try:
        found[name] = check()
    except MerflowError as error:
        found[name] = finding_of(error)
    except Exception as error:  # one failing check must not hide the findings of the others
        told = f"the check itself failed ({type(error).__name__}: {error})"
        found[name] = Finding("wrong", told, "report this as a bug of merflow")
