"""One of two client processes that promote at the same moment, round after round."""

import os
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.registry.promote import promote_version
from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import Verdict

PATIENCE_S = 120.0


def contend(uri: str, name: str, who: str, versions: tuple[str, str], rounds: int, barrier: Barrier, out: str) -> None:
    """Promote one of two versions per round; write a line per round: ``won 7``, or the error."""
    registry = Registry(Connection(uri), name, who=who)
    lines = []
    for number in range(rounds):
        barrier.wait(PATIENCE_S)
        try:
            done = promote_version(registry, versions[number % 2], decide=_together(barrier))
            lines.append(f"won {done.entry.number if done.entry else done.status}")
        except RegistryError as error:
            lines.append(f"lost: {error}")
    Path(out).write_text("\n".join(lines))
    os._exit(0)  # nothing of MLflow's clients needs to be closed


def _together(barrier: Barrier) -> Callable[[RegisteredVersion, RegisteredVersion | None], Verdict]:
    """Return a gate that waits for the other process, so that both have the same champion before their eyes."""

    def decide(_candidate: RegisteredVersion, _champion: RegisteredVersion | None) -> Verdict:
        barrier.wait(PATIENCE_S)
        return Verdict()

    return decide
