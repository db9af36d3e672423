"""Secret files for a folder: a copy of each ``*.env.example``, with random values in place of empty ones.

python3 infra/kustomize/components/secrets/fill.py [FOLDER]

An existing file stays as it is.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

LENGTH_BYTES = 24
FERNET_BYTES = 32


def filled(example: str) -> str:
    """Return the text with a random value in place of every empty one."""
    lines = (f"{line}{random_value(line[:-1])}" if line.endswith("=") else line for line in example.splitlines())
    return "\n".join(lines) + "\n"


def random_value(name: str) -> str:
    """Return random hexadecimal digits, or a Fernet key (URL-safe base64) for a name ending in ``_ENCRYPTION_KEY``."""
    if name.endswith("_ENCRYPTION_KEY"):
        return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()
    return secrets.token_hex(LENGTH_BYTES)


def fill(folder: Path) -> list[Path]:
    """Write the missing files, readable only by their owner; return their paths."""
    written = []
    for example in sorted(folder.glob("*.env.example")):
        path = example.with_suffix("")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(filled(example.read_text(encoding="utf-8")))
        written.append(path)
    return written


if __name__ == "__main__":
    for path in fill(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent):
        sys.stdout.write(f"wrote {path}\n")
