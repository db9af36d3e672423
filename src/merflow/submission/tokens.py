"""The token of a cluster profile, from its command or its file."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

from merflow.errors import SubmissionError
from merflow.submission.profiles import ClusterProfile

_PATIENCE_S = 60


class Token:
    """A token. Its command runs once; its file is read every time, because the kubelet replaces it."""

    def __init__(self, profile: ClusterProfile) -> None:
        self._profile = profile
        self._kept: str | None = None

    def renew(self) -> bool:
        """Forget the token; return True if the profile can provide a new one."""
        self._kept = None
        return bool(self._profile.token_command or self._profile.token_file)

    def refresh_api_key_hook(self, config: Any) -> None:  # noqa: ANN401 - the configuration of KFP's client
        """Put the token into the configuration of KFP's client, which calls this before every request.

        Raises:
            SubmissionError: The command fails or prints no token, or the file cannot be read.
        """
        config.api_key["authorization"] = self.text()
        config.api_key_prefix["authorization"] = "Bearer"

    def text(self) -> str:
        """Return the token.

        Raises:
            SubmissionError: The command fails or prints no token, or the file cannot be read.
        """
        if self._profile.token_file:
            return _read(Path(self._profile.token_file).expanduser())
        if self._kept is None:
            self._kept = _run(self._profile.token_command)
        return self._kept


def _read(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(f"cannot read the token file {path} ({error}); correct token_file") from error
    return _checked(token, f"the token file {path}")


def _run(command: list[str]) -> str:
    words = shlex.join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise SubmissionError(
            f"token_command: no program {command[0]!r}; install it, or correct the command"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SubmissionError(f"token_command failed ({error}); run it yourself: {words}") from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:] or "no error output"
        raise SubmissionError(
            f"token_command failed with exit code {done.returncode}: {said}; run it yourself: {words}"
        )
    return _checked(done.stdout.strip(), f"token_command ({words})")


def _checked(token: str, source: str) -> str:
    if not token or len(token.split()) > 1:
        found = "nothing" if not token else f"{len(token.split())} words"
        raise SubmissionError(f"{source} provides {found} instead of one token; correct it in the cluster profile")
    return token
