"""Write the missing secret files of a folder: each ``*.env.example`` with a random value for every empty one.

python3 infra/kustomize/components/secrets/fill.py [FOLDER]

A file that exists stays as it is.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

LENGTH_BYTES = 24
FERNET_BYTES = 32


def filled(example: str) -> str:
    """Return the text with a random value for every empty one."""
    lines = (f"{line}{random_value(line[:-1])}" if line.endswith("=") else line for line in example.splitlines())
    return "\n".join(lines) + "\n"


def random_value(name: str) -> str:
    """Return hexadecimal digits; a Fernet key, which is URL-safe base64, for the name of an encryption key."""
    if name.endswith("_ENCRYPTION_KEY"):
        return base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()
    return secrets.token_hex(LENGTH_BYTES)


def fill(folder: Path) -> list[Path]:
    """Write what is missing, for the owner's eyes only; return what was written."""
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
