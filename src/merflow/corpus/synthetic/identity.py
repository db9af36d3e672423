"""The file that identifies a generated release, and says how to generate it again."""

import json
from pathlib import Path
from typing import Any

from merflow.errors import OutputError

SYNTHETIC_MARK = "SYNTHETIC.json"


def is_present(out: Path, identity: dict[str, Any]) -> bool:
    """Return True if a folder holds the release with this identity, and False if it is absent or empty.

    Raises:
        OutputError: The folder is a file, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; choose a folder with --out")
    if not out.is_dir() or not any(out.iterdir()):
        return False
    try:
        recorded = json.loads((out / SYNTHETIC_MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise OutputError(
            f"{out} is not empty and contains no synthetic release (no readable {SYNTHETIC_MARK}); "
            "choose another folder with --out"
        ) from None
    if recorded != identity:
        raise OutputError(
            f"{out} holds another release ({recorded}, not {identity}); remove it, or choose another --out"
        )
    return True
