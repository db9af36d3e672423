"""This machine's pip configuration for an image build: a file for a build secret, and the folders that it names.

A build sees neither pip's files nor its variables. If pip reads packages from folders or needs a certificate, so does
the build. None of this becomes part of the image.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_LINE = re.compile(r"(?::env:|global|install|user|site)\.([\w-]+)='(.*)'$")
# Settings that locks make pointless, or that a build sets itself.
_LEFT_OUT = {"constraint", "require-virtualenv", "user", "target", "prefix", "cache-dir", "no-index"}


def settings() -> dict[str, str]:
    """Return pip's settings by name, as its own files and variables set them."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    return parsed(said.stdout)


def parsed(text: str) -> dict[str, str]:
    """Return the settings in the output of ``pip config list``; line breaks in a value become spaces."""
    found = (match.groups() for line in text.splitlines() if (match := _LINE.match(line)))
    return {name: value.replace("\\n", " ").strip() for name, value in found if name not in _LEFT_OUT}


def options(found: Mapping[str, str], *, file: Path) -> list[str]:
    """Write the settings into ``file``, and return the builder's options that pass them to a build."""
    if not found:
        return []
    lines = [f"{name} = {value}" for name, value in sorted(found.items())]
    file.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    mounts = [word for path in sorted(set(_folders(found))) for word in ("--volume", f"{path}:{path}:ro")]
    return ["--secret", f"id=pip,src={file}", *mounts]


def _folders(found: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that the settings name, and that of a certificate."""
    for name in ("index-url", "extra-index-url", "find-links"):
        for word in found.get(name, "").split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                # The pages of an index are in simple/ and link to files next to it.
                yield path.parent if path.name == "simple" else path
    if (certificate := Path(found.get("cert", ""))).is_absolute():
        yield certificate.parent
