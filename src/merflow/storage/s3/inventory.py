"""The inventory of a published folder: the object that makes it visible, written after all others.

    <prefix>/merflow-inventory.json    path -> size and SHA-256 of every file
    <prefix>/files/<sha256>            their contents

Content has its own digest as its name, so it never changes, and writers of equal files write the same object. Readers
start at the inventory and see a whole folder or none.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address, check_relative

INVENTORY = "merflow-inventory.json"
_FORMAT = 1
_NAMED = 3  # paths in a message


class Entry(BaseModel):
    """One file.

    Attributes:
        size: Its bytes.
        sha256: Its digest, 64 hexadecimal digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Inventory(BaseModel):
    """The files of a published folder by their relative path.

    Attributes:
        files: Path with slashes -> file.
        format: Number of this form.
        written_by: Version of merflow that wrote it.
        digest: SHA-256 of ``files``, so that a damaged inventory is noticed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    files: dict[str, Entry]
    format: int = _FORMAT
    written_by: str = ""
    digest: str

    @classmethod
    def of(cls, files: Mapping[str, Entry]) -> "Inventory":
        """Return the inventory of these files."""
        ordered = dict(sorted(files.items()))
        return cls(files=ordered, written_by=f"merflow {version('merflow')}", digest=_digest(ordered))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.digest != _digest(self.files):
            raise ValueError("its digest is of other files")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    def to_json(self) -> bytes:
        """Return the inventory as the content of its object."""
        return (json.dumps(self.model_dump(), indent=1, ensure_ascii=False) + "\n").encode()

    def differences(self, other: "Inventory") -> str:
        """Return a phrase about the files that only one of the inventories has, or that differ; empty if none do."""
        paths = sorted(
            path for path in self.files.keys() | other.files.keys() if self.files.get(path) != other.files.get(path)
        )
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        return ", ".join(paths[:_NAMED]) + more


def parse_inventory(content: bytes, *, address: S3Address) -> Inventory:
    """Parse what :meth:`Inventory.to_json` wrote.

    Raises:
        StorageError: It is damaged, of another version, or names a file outside of its folder.
    """
    where = str(address / INVENTORY)
    try:
        values: Any = json.loads(content)
        if isinstance(values, dict) and values.get("format") != _FORMAT:
            raise StorageError(
                f"{where} was written by {values.get('written_by')} in format {values.get('format')}, and this version "
                f"reads format {_FORMAT}; use that version"
            )
        inventory = Inventory.model_validate(values)
    except (ValueError, ValidationError) as error:
        raise StorageError(f"{where} is damaged ({_first(error)}); delete it and publish the folder again") from error
    for path in inventory.files:
        check_relative(path, where=where)
    return inventory


def content_of(address: S3Address, sha256: str) -> S3Address:
    """Return the address of one content of the folder published at ``address``."""
    return contents_of(address) / sha256


def contents_of(address: S3Address) -> S3Address:
    """Return the folder with the contents of the folder published at ``address``."""
    return address / "files"


def _digest(files: Mapping[str, Entry]) -> str:
    lines = (f"{path}\0{entry.size}\0{entry.sha256}\n" for path, entry in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _first(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": ")
    return str(error)
