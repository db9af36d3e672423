"""A PostgreSQL server from Debian's package that runs during a test."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSIONS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
BINARIES = _VERSIONS[-1].parent if _VERSIONS else None
_AS_ROOT = os.geteuid() == 0  # the server refuses to run as root


def missing() -> str:
    """Return the reason why no server can run here; empty if one can."""
    if BINARIES is None:
        return "needs Debian's package postgresql"
    if _AS_ROOT and shutil.which("runuser") is None:
        return "needs runuser, for the server refuses to run as root"
    return ""


@contextmanager
def server(password: str = "") -> Iterator[str]:
    """Yield the URL of a fresh database, without its password; an empty password stands for none."""
    folder = Path(tempfile.mkdtemp(prefix="merflow-postgres-"))
    port = _free_port()
    try:
        if _AS_ROOT:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        (folder / "password").write_text(password)
        (folder / "password").chmod(0o644)
        secured = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"] if password else ["-A", "trust"]
        _run("initdb", "-D", str(folder / "data"), "-U", "merflow", *secured, "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -F"
        _run("pg_ctl", "-D", str(folder / "data"), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://merflow@127.0.0.1:{port}/postgres"
        finally:
            _run("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    assert BINARIES is not None
    command = [str(BINARIES / program), *arguments]
    user = ["runuser", "-u", "postgres", "--"] if _AS_ROOT else []
    # Not captured: the server would keep the pipe open for ever.
    subprocess.run([*user, *command], check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
