"""Rules about secrets: a package is shown to everyone who may read it."""

from collections.abc import Iterator

from merflow.contracts.cluster import is_secret_name
from merflow.contracts.passwords import without_password
from merflow.pipelines.lint.package import Package

Problems = Iterator[tuple[str, str]]


def passwords(package: Package) -> Problems:
    """Yield every text with a password in a URI; the password is not part of the problem."""
    for where, text in package.texts():
        if without_password(text)[1] is not None:
            yield where, "has a password in a URI"


def secret_variables(package: Package) -> Problems:
    """Yield plain environment variables whose names are those of secrets."""
    for task, pod in package.steps:
        for name, value in pod.variables.items():
            if value and is_secret_name(name):
                yield task.path, f"has the secret {name} as a plain environment variable"
