"""Programs and ports for servers that run during the tests."""

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path


def search_path(*others: Path) -> str:
    """Return a search path of programs: this environment's first, whether or not it has been activated."""
    folders = [Path(sys.executable).parent, *others]
    return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def weed() -> str | None:
    """Return the path of SeaweedFS's program; None where it is not installed."""
    return shutil.which("weed", path=search_path())


def free_ports(count: int) -> Sequence[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
