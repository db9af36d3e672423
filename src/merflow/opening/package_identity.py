"""The name and version that identify the answers of a package."""

from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.fetched_version import read_fetched
from merflow.contracts.model_package import ModelPackage
from merflow.contracts.package_files import package_digest, weights_digest
from merflow.contracts.registered_version import RegisteredVersion


@dataclass(frozen=True)
class PackageIdentity:
    """The identity of a package.

    Attributes:
        name: Registered name, or the variant.
        version: Number in the registry, or a digest of the weights.
        title: The package in words.
    """

    name: str
    version: str
    title: str


def identity_of(folder: Path, package: ModelPackage, *, version: RegisteredVersion | None = None) -> PackageIdentity:
    """Return the identity of a package.

    Args:
        folder: Its folder.
        package: Its facts.
        version: The registered version; None to use the file next to a fetched package, if it exists and the package is
            unchanged.

    Raises:
        FormatError: The file next to it is damaged, or of another version of merflow.
    """
    made = f"{package.variant}, {package.made}"
    if version is not None:
        aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
        return PackageIdentity(version.name, str(version.version), f"{version.title}{aliases}: {made}")
    fetched = read_fetched(folder)
    if fetched is not None and fetched.digest == package_digest(folder):
        title = f"version {fetched.version} of {fetched.name!r}: {made}"
        return PackageIdentity(fetched.name, str(fetched.version), title)
    digest = weights_digest([folder / member.folder for member in package.members])
    return PackageIdentity(package.variant, digest, made)
