"""The git checkout of merflow's running code: its commits, and the code files that differ from one of them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import merflow
from merflow.runs.provenance import git_commit

_SOURCE = Path(merflow.__path__[0])
_CODE = ("src", "components", "pipelines", "params.yaml")


@dataclass(frozen=True)
class Checkout:
    """A checkout of merflow.

    Attributes:
        root: Its folder.
    """

    root: Path

    @classmethod
    def of_merflow(cls) -> "Checkout":
        """Return the checkout of the running code; without a checkout, its commits are unknown."""
        return cls(_SOURCE.parents[1])

    def described(self) -> str:
        """Return the commit of the running code, with ``-dirty`` if files differ from it; empty if it is unknown."""
        return git_commit()

    def commit(self, revision: str) -> str | None:
        """Return the commit of a branch, tag or commit name; None if it does not exist, or there is no checkout."""
        if revision.startswith("-") or self._git("rev-parse", "--show-toplevel") != str(self.root.resolve()):
            return None
        return self._git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") or None

    def differing(self, commit: str) -> list[str]:
        """Return the local code files that differ from those of a commit, including new ones."""
        changed = self._git("diff", "--name-only", commit, "--", *_CODE).splitlines()
        new = self._git("ls-files", "--others", "--exclude-standard", "--", *_CODE).splitlines()
        return sorted({*changed, *new})

    def _git(self, *arguments: str) -> str:
        """Return the output of a git command; empty if the command fails."""
        try:
            done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, text=True)
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""
