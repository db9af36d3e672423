"""The package of a registered version, downloaded to a folder and checked by its digest."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.fetched_version import FetchedVersion, read_fetched, write_fetched
from merflow.contracts.package_files import check_package, package_digest
from merflow.errors import MerflowError, ServingError
from merflow.promotion.registry.artifacts import fetch_package as download
from merflow.promotion.registry.registry import Registry
from merflow.storage.local import replacing_folder

FOLDER = "package"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class FetchedPackage:
    """A package on this machine.

    Attributes:
        folder: Its folder.
        version: Its version.
        new: False if it had already been downloaded.
    """

    folder: Path
    version: FetchedVersion
    new: bool


def fetch_package(registry: Registry, text: str, *, into: Path, expected: str | None = None) -> FetchedPackage:
    """Download the package of a version to ``into/package``, unless it is already there, intact and with this digest.

    An earlier package is kept until the new one is complete and checked. If the package is already there, MLflow is not
    contacted, so a pod can restart while MLflow is down.

    Args:
        registry: The registered model.
        text: Number or alias of the version.
        into: The folder.
        expected: Digest that the package must have, as written by ``merflow registry deploy``; None for any.

    Raises:
        ServingError: ``expected`` is not a digest.
        ModelError: The package has another digest, or a file of it was changed.
        RegistryError: There is no such version, merflow did not register it, or it has no package.
        TrackingError: The server cannot be reached or refuses.
        OutputError: The folder cannot be written.
    """
    if expected is not None and not _DIGEST.fullmatch(expected):
        raise ServingError(f"{expected!r} is not a digest; write sha256: and 64 hexadecimal digits")
    folder = into / FOLDER
    there = None if expected is None else _whole(folder, name=registry.name, text=text, expected=expected)
    if there is not None:
        return FetchedPackage(folder, there, new=False)
    version = registry.usable(text)
    with replacing_folder(folder) as part:
        inside = download(registry.connection, version, into=part / ".download")
        title = f"the package of {version.title}"
        check_package(inside, expected=expected or package_digest(inside), title=title)
        for path in inside.iterdir():
            shutil.move(path, part / path.name)
        shutil.rmtree(part / ".download")
    fetched = FetchedVersion(name=version.name, version=version.version, digest=package_digest(folder))
    write_fetched(folder, fetched)
    return FetchedPackage(folder, fetched, new=True)


def _whole(folder: Path, *, name: str, text: str, expected: str) -> FetchedVersion | None:
    """Return the downloaded version if it is the requested one and intact; otherwise None."""
    try:
        found = read_fetched(folder)
        check_package(folder, expected=expected)
    except MerflowError:
        return None
    return (
        found
        if found is not None and (found.name, str(found.version), found.digest) == (name, text, expected)
        else None
    )
