"""A git checkout with DVC's stages: which of its revisions holds a file, by what ``dvc.lock`` says of it.

``dvc.lock`` names every file that a stage read or wrote by the MD5 of its content, and git keeps every ``dvc.lock``.
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
# libyaml's, where it is there: the lock of a large benchmark has thousands of lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Commit:
    """One commit.

    Attributes:
        id: 40 hexadecimal digits.
        date: When it was committed, ISO 8601.
        subject: First line of its message.
        tags: Tags that point at it.
    """

    id: str
    date: str
    subject: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Revisions:
    """Where a file's content is on record.

    Attributes:
        commits: Those that changed ``dvc.lock`` and name the content, the oldest first.
        tags: Tags whose ``dvc.lock`` names it.
        here: Whether that of the working tree does.
    """

    commits: tuple[Commit, ...]
    tags: tuple[str, ...]
    here: bool


class Project:
    """The project around a folder.

    Attributes:
        root: The folder that holds ``.dvc``, in a git checkout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def around(cls, place: Path) -> "Project | None":
        """The project that this folder is in; None where no folder above is a git checkout with DVC."""
        for folder in (place.resolve(), *place.resolve().parents):
            if (folder / ".dvc").is_dir():
                found = cls(folder)
                return found if found._git("rev-parse", "--git-dir") else None
        return None

    def commit(self, name: str) -> Commit | None:
        """The commit of this name; None where the checkout has none."""
        told = self._git("log", "-1", f"--format={_FIELDS}", name, "--")
        if not told:
            return None
        commit = _commit(told)
        return Commit(commit.id, commit.date, commit.subject, tuple(self._git("tag", "--points-at", commit.id).split()))

    def revisions(self, md5: str) -> Revisions:
        """Which revisions' stages read or wrote a file of this content, experiments among them."""
        word = re.compile(rf"\b{re.escape(md5)}\b")
        tags = self._git("tag").split()
        return Revisions(
            commits=tuple(commit for commit, lock in self._history if word.search(lock)),
            tags=tuple(tag for tag in tags if word.search(self._git("show", f"{tag}:./{LOCK}"))),
            here=bool(word.search(self._lock_here)),
        )

    def versions(self, path: str) -> list[str]:
        """MD5 of every content that the file has had in any ``dvc.lock``, the latest first."""
        texts = [*(lock for _, lock in self._history), self._lock_here]
        found = [
            entry["md5"]
            for text in texts
            if path in text
            for stage in _stages(text).values()
            for entry in [*stage.get("deps", ()), *stage.get("outs", ())]
            if entry["path"] == path and "md5" in entry
        ]
        return list(dict.fromkeys(reversed(found)))

    def files_of(self, stage: str) -> tuple[list[str], list[str]]:
        """What a stage reads and writes by the working tree's ``dvc.lock``, relative to the root."""
        entry = _stages(self._lock_here).get(stage, {})
        return [each["path"] for each in entry.get("deps", ())], [each["path"] for each in entry.get("outs", ())]

    def cached(self, md5: str) -> Path | None:
        """The file of this content in DVC's cache; None where it was never here, or DVC is not installed."""
        try:
            from dvc.repo import Repo
        except ModuleNotFoundError:
            return None
        with Repo(str(self.root)) as repo:
            place = Path(repo.cache.local.oid_to_path(md5))
        return place if place.is_file() else None

    @cached_property
    def _history(self) -> list[tuple[Commit, str]]:
        """Each commit that changed ``dvc.lock`` and its content after that, the oldest first."""
        told = self._git("log", "--exclude=refs/stash", "--all", "--reverse", f"--format={_FIELDS}", "--", LOCK)
        commits = [_commit(line) for line in told.splitlines()]
        return [(commit, self._git("show", f"{commit.id}:./{LOCK}")) for commit in commits]

    @cached_property
    def _lock_here(self) -> str:
        lock = self.root / LOCK
        return lock.read_text(encoding="utf-8") if lock.is_file() else ""

    def _git(self, *arguments: str) -> str:
        """What git prints; nothing where it fails, as where a revision has no such file."""
        try:
            done = subprocess.run(["git", "-C", str(self.root), *arguments], capture_output=True, text=True)
        except FileNotFoundError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


def _commit(line: str) -> Commit:
    found, date, subject = line.split("\t", maxsplit=2)
    return Commit(found, date, subject)


def _stages(lock: str) -> dict[str, Any]:
    loaded = yaml.load(lock, Loader=_LOADER) or {}
    found: dict[str, Any] = loaded.get("stages", {})
    return found
