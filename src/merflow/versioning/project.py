"""A git checkout with DVC stages, and the revisions that contain a file.

``dvc.lock`` records the MD5 of every file that a stage read or wrote, and git keeps every version of ``dvc.lock``.
"""

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

LOCK = "dvc.lock"
_FIELDS = "%H%x09%cI%x09%s"
# The loader of libyaml if it is available: the lock of a large benchmark has thousands of lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes:
        id: 40 hexadecimal digits.
        date: Date of the commit, ISO 8601.
        subject: First line of its message.
        tags: Tags that point at it.
    """

    id: str
    date: str
    subject: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Revisions:
    """Revisions that record the content of a file.

    Attributes:
        commits: Commits that changed ``dvc.lock`` and record the content, the oldest first.
        tags: Tags whose ``dvc.lock`` records it.
        here: True if the ``dvc.lock`` of the working tree records it.
    """

    commits: tuple[Commit, ...]
    tags: tuple[str, ...]
    here: bool


class Project:
    """A DVC project in a git checkout.

    Attributes:
        root: The folder that contains ``.dvc``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, path: Path) -> "Project | None":
        """Return the project that contains a folder; None if the folder is not in a git checkout with DVC."""
        for folder in (path.resolve(), *path.resolve().parents):
            if (folder / ".dvc").is_dir():
                project = cls(folder)
                return project if project._git("rev-parse", "--git-dir") else None
        return None

    def commit(self, name: str) -> Commit | None:
        """Return the commit of this name; None if the checkout has none."""
        line = self._git("log", "-1", f"--format={_FIELDS}", name, "--")
        if not line:
            return None
        commit = _commit(line)
        return Commit(commit.id, commit.date, commit.subject, tuple(self._git("tag", "--points-at", commit.id).split()))

    def revisions(self, md5: str) -> Revisions:
        """Return the revisions, experiments included, whose stages read or wrote a file of this content."""
        word = re.compile(rf"\b{re.escape(md5)}\b")
        tags = self._git("tag").split()
        return Revisions(
            commits=tuple(commit for commit, lock in self._history if word.search(lock)),
            tags=tuple(tag for tag in tags if word.search(self._git("show", f"{tag}:./{LOCK}"))),
            here=bool(word.search(self._lock_here)),
        )

    def versions(self, path: str) -> list[str]:
        """Return the MD5 of every content that a file has had in any ``dvc.lock``, the latest first."""
        texts = [*(lock for _, lock in self._history), self._lock_here]
        digests = [
            entry["md5"]
            for text in texts
            if path in text
            for stage in _stages(text).values()
            for entry in [*stage.get("deps", ()), *stage.get("outs", ())]
            if entry["path"] == path and "md5" in entry
        ]
        return list(dict.fromkeys(reversed(digests)))

    def files_of(self, stage: str) -> tuple[list[str], list[str]]:
        """Return the files that a stage reads and writes by the current ``dvc.lock``, relative to the root."""
        entry = _stages(self._lock_here).get(stage, {})
        return [each["path"] for each in entry.get("deps", ())], [each["path"] for each in entry.get("outs", ())]

    def recorded(self, path: str) -> str | None:
        """Return the MD5 that the working tree's ``dvc.lock`` records for a file; None for a file that it lacks."""
        entries = [
            entry
            for stage in _stages(self._lock_here).values()
            for entry in [*stage.get("deps", ()), *stage.get("outs", ())]
        ]
        return next((entry.get("md5") for entry in entries if entry["path"] == path), None)

    def lock_commit(self) -> str:
        """Return the commit that last changed ``dvc.lock``; empty if the working tree's version is not committed."""
        if self._git("status", "--porcelain", "--", LOCK):
            return ""
        return self._git("log", "-1", "--format=%H", "--", LOCK)

    def cached(self, md5: str) -> Path | None:
        """Return the file of this content in DVC's cache; None if it is not cached, or DVC is not installed."""
        try:
            from dvc.repo import Repo
        except ModuleNotFoundError:
            return None
        with Repo(str(self.root)) as repo:
            path = Path(repo.cache.local.oid_to_path(md5))
        return path if path.is_file() else None

    @cached_property
    def _history(self) -> list[tuple[Commit, str]]:
        """The commits that changed ``dvc.lock``, each with the content after it, oldest first."""
        lines = self._git("log", "--exclude=refs/stash", "--all", "--reverse", f"--format={_FIELDS}", "--", LOCK)
        commits = [_commit(line) for line in lines.splitlines()]
        return [(commit, self._git("show", f"{commit.id}:./{LOCK}")) for commit in commits]

    @cached_property
    def _lock_here(self) -> str:
        lock = self.root / LOCK
        return lock.read_text(encoding="utf-8") if lock.is_file() else ""

    def _git(self, *arguments: str) -> str:
        """Return the output of git; empty if it fails, for example because a revision has no such file."""
        try:
            done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, text=True)
        except FileNotFoundError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


def _commit(line: str) -> Commit:
    identifier, date, subject = line.split("\t", maxsplit=2)
    return Commit(identifier, date, subject)


def _stages(lock: str) -> dict[str, Any]:
    loaded = yaml.load(lock, Loader=_LOADER) or {}
    stages: dict[str, Any] = loaded.get("stages", {})
    return stages
