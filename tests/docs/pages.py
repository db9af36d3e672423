"""The pages of docs as programs: files to write, patches to apply and commands to run, in the page's order.

A fenced block whose info string has a title, such as ```` ```python title="src/x.py" ````, is a file. One of language
``diff`` changes the file that its title names. Lines of ``console`` blocks that start with ``$`` are commands.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
COPIED = ("src", "components", "pipelines", "tests", "dvc.yaml", "params.yaml", "pyproject.toml")

_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced code block; ``title`` is the file that it is about, or empty."""

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a console block."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page of docs that have a language."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    return [Block(match["language"], match["title"] or "", match["text"]) for match in _BLOCK.finditer(text)]


@dataclass(frozen=True)
class Copy:
    """A copy of the repository that a page may change."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Copy":
        """Copy what merflow needs to run."""
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)
        return cls(root)

    def edit(self, block: Block) -> None:
        """Write the file of a block, or apply its patch."""
        path = self.root / block.title
        if block.language != "diff":
            assert not path.exists(), f"{block.title} exists; the page should patch it"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return
        lines = block.text.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        assert text.count(before) == 1, (
            f"{block.title} holds the lines of the patch {text.count(before)} times:\n{before}"
        )
        path.write_text(text.replace(before, after), encoding="utf-8")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the page in the copy, with the code of the copy.

        Raises:
            AssertionError: The command fails.
        """
        words = shlex.split(command)
        if words[0] == "merflow":
            words = [sys.executable, "-m", *words]
        elif words[0] == "python":
            words[0] = sys.executable
        paths = os.pathsep.join(str(self.root / name) for name in ("src", ""))
        done = subprocess.run(
            words,
            cwd=self.root,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"},
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    def follow(self, page: str) -> list[subprocess.CompletedProcess[str]]:
        """Carry out a page: write and patch its files, and run its commands."""
        finished = []
        for block in blocks_of(page):
            if block.title:
                self.edit(block)
            finished += [self.run(command) for command in block.commands if block.language == "console"]
        return finished
