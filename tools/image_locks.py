"""Lock files of the images, written by ``python -m tools.image_locks``: the packages of each target, with hashes.

A lock holds the versions that pip resolves for Linux on x86-64 and the running Python, 3.11, under ``constraints.txt``.
``cpu`` and ``cuda`` differ in torch's build: the build without CUDA has ``+cpu`` in its version and comes from a
separate index, which your pip configuration or ``PIP_EXTRA_INDEX_URL`` names. ``cuda`` is therefore resolved without
extra indexes and folders.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.images.requirements import EXTRAS, requirements

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "infra/images/locks"
# Build tools that do not stay in the images.
BUILD = ("cyclonedx-bom>=7", "hatchling", "pip", "setuptools", "wheel")
_OWN_INDEX = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}


def main() -> None:
    """Write the named locks, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[*EXTRAS, "build"])
    for target in parser.parse_args().targets:
        path = LOCKS / f"{target}.txt"
        path.write_text(lock(target), encoding="utf-8")
        print(path.relative_to(ROOT))


def lock(target: str) -> str:
    """Return the content of a target's lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = BUILD if target == "build" else tuple(requirements(project, extra=EXTRAS[target]))
    report = _resolved(wanted, environment=_OWN_INDEX if target == "cuda" else {})
    return text(report)


def text(report: Mapping[str, Any]) -> str:
    """Return the lock of pip's report: one pinned version with its hash per package, sorted."""
    lines = ["# Written by tools/image_locks.py for Linux on x86-64 and Python 3.11."]
    for item in sorted(report["install"], key=lambda item: str(item["metadata"]["name"]).lower()):
        pin = f"{item['metadata']['name'].lower()}=={item['metadata']['version']}"
        lines += [f"{pin} \\", f"    --hash=sha256:{item['download_info']['archive_info']['hashes']['sha256']}"]
    return "\n".join([*lines, ""])


def _resolved(wanted: Iterable[str], *, environment: Mapping[str, str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report"]
        command += [str(report), "--constraint", str(ROOT / "constraints.txt"), *dict.fromkeys(wanted)]
        subprocess.run(command, check=True, env={**os.environ, **environment})
        resolved: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return resolved


if __name__ == "__main__":
    main()
