"""The person named in the audit trail."""

import getpass
import os
import subprocess


def person() -> str:
    """Return the name of the person who runs this process.

    The first of these that is set: ``MERFLOW_USER``, ``MLFLOW_TRACKING_USERNAME``, git's ``user.name`` and
    ``user.email``, the login name. It is a claim, not a proof: only MLflow's own log shows whose password a request
    carried.
    """
    for variable in ("MERFLOW_USER", "MLFLOW_TRACKING_USERNAME"):
        if os.environ.get(variable, "").strip():
            return os.environ[variable].strip()
    name, email = _git("user.name"), _git("user.email")
    if name:
        return f"{name} <{email}>" if email else name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"


def _git(key: str) -> str:
    try:
        done = subprocess.run(["git", "config", key], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
