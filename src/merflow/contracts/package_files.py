"""The files of a model package: their digests, and the refusal of files that changed or could run code when read."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from merflow.contracts.calibration_record import CALIBRATION
from merflow.contracts.model_package import EVIDENCE, MEMBERS, PACKAGE, REMEDY, ModelPackage, read_package
from merflow.errors import ModelError
from merflow.storage.local import digest

# Extensions of files that are, or may be, pickles: reading one runs any code in it.
_PICKLES = (".bin", ".ckpt", ".dill", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
_DIGITS = 12


def whole_digest(folder: Path) -> str:
    """Return 16 hexadecimal digits over the names and the content of all files of a package.

    Raises:
        ModelError: One of them is a link.
    """
    return digest(_digests(folder, [path for path in folder.rglob("*") if not path.is_dir()]))


def file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of members, evidence and calibration, by relative path.

    Raises:
        ModelError: One of them is a link.
    """
    inside = [path for part in (MEMBERS, EVIDENCE) for path in (folder / part).rglob("*") if not path.is_dir()]
    return _digests(folder, [*inside, *(path for path in [folder / CALIBRATION] if path.is_file())])


def package_digest(folder: Path) -> str:
    """Return the SHA-256 of ``package.json``, as ``sha256:`` and 64 hexadecimal digits, as ``sha256sum`` prints them.

    ``package.json`` names the SHA-256 of all files that decide about predictions, so this one digest covers them.

    Raises:
        ModelError: The folder is not a package.
    """
    if not (folder / PACKAGE).is_file():
        raise ModelError(f"{folder} is not a model package: {PACKAGE} is missing; {REMEDY}")
    return f"sha256:{hashlib.sha256((folder / PACKAGE).read_bytes()).hexdigest()}"


def check_package(folder: Path, *, expected: str, title: str = "") -> None:
    """Raise unless the folder is the package with this digest, intact and without pickles.

    Args:
        folder: The package.
        expected: Its :func:`package_digest`.
        title: The package in words, for errors; empty for its folder.

    Raises:
        ModelError: It is another package, or a file of it was changed, removed or added.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    found = package_digest(folder)
    if found != expected:
        raise ModelError(
            f"{title or folder} is not the package that was asked for: its {PACKAGE} has the digest {found}, not "
            f"{expected}; deploy the version again, or find out who changed it"
        )
    refuse_pickles(folder)
    check_files(folder, read_package(folder))


def _digests(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    digests = {}
    for path in sorted(paths):
        if path.is_symlink():
            raise ModelError(f"{path} is a link, and a package holds its files itself; {REMEDY}")
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def member_digest(member: str, files: Mapping[str, str]) -> str:
    """Return the SHA-256 over the files of one member, given those of all."""
    summary = hashlib.sha256()
    for name, value in sorted(files.items()):
        if name.startswith(f"{member}/"):
            summary.update(f"{name.removeprefix(member)}\0{value}\n".encode())
    return summary.hexdigest()


def weights_digest(folders: Sequence[Path]) -> str:
    """Return the first digits of the SHA-256 of all files of model folders: the version of a model outside MLflow."""
    summary = hashlib.sha256()
    for folder in folders:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            with path.open("rb") as file:
                summary.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return summary.hexdigest()[:_DIGITS]


def refuse_pickles(folder: Path) -> None:
    """Raise if any file below the folder is a pickle, judging by its extension.

    Raises:
        ModelError: One is; the message names it.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _PICKLES)
    if found:
        raise ModelError(
            f"{found[0]} may be a pickle, which runs code when it is read, and no model package has one; delete this "
            f"package: {REMEDY}"
        )


def check_files(folder: Path, package: ModelPackage) -> None:
    """Raise if a file of the package was changed, removed or added.

    Raises:
        ModelError: One was; the message names it.
    """
    found = file_digests(folder)
    missing = sorted(package.files.keys() - found.keys())
    added = sorted(found.keys() - package.files.keys())
    changed = sorted(name for name, value in package.files.items() if found.get(name, value) != value)
    problems = [("is missing", missing), ("is not a file of the package", added), ("was changed", changed)]
    for problem, names in problems:
        if names:
            more = f" ({len(names)} such files)" if len(names) > 1 else ""
            raise ModelError(f"{folder / names[0]} {problem}{more}; restore the package from its run, or {REMEDY}")
    for member in package.members:
        if member_digest(member.folder, found) != member.digest:
            raise ModelError(f"{folder / member.folder} is not the model that package.json names; {REMEDY}")
