"""A real MLflow server, on SQLite unless told otherwise, that can be killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 120.0  # it takes 5 s, and more on a busy machine


class Server:
    """An ``mlflow server`` with a port of its own; not started yet.

    The database is a file in the folder unless a URL of another one is given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        options: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._database = database or f"sqlite:///{folder}/server.db"
        self._options, self._variables = options, dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server on the data of an earlier one, and wait until it answers."""
        places = [f"--backend-store-uri={self._database}", f"--artifacts-destination={self._folder}", *self._options]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *places, "--workers=1", f"--port={self.port}"],
                env={**os.environ, **quiet, **self._variables},
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its workers can be killed with it
            )
        deadline_s = time.monotonic() + _PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)

    def kill(self) -> None:
        """Kills it with its workers, if it runs."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False
