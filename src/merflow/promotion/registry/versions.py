"""Versions of a registered model: creation from a logged model, listing, and lookup by number or alias."""

import json
from datetime import UTC, datetime
from typing import Any

from merflow.contracts.model_package import ModelPackage
from merflow.contracts.registered_version import RegisteredVersion, VersionFacts
from merflow.errors import RegistryError, TrackingError, nearest
from merflow.promotion.registry.aliases import read_aliases
from merflow.promotion.registry.refusals import MISSING, is_refusal, permission_denied
from merflow.promotion.registry.state import ALIASES
from merflow.tracking.connection import Connection

FORCED_TAG = "merflow.forced"
_VERSIONS_TAG = "mlflow.modelVersions"


def list_versions(connection: Connection, name: str) -> list[RegisteredVersion]:
    """Return all versions, the newest first.

    Raises:
        RegistryError: There is no such registered model.
        TrackingError: The server cannot be reached or refuses.
    """
    aliases = read_aliases(connection, name)
    found = [_version(each, aliases) for each in _search(connection, f"name = '{name}'")]
    return sorted(found, key=lambda each: -each.version)


def find_version(connection: Connection, name: str, text: str) -> RegisteredVersion:
    """Return the version with a number or an alias.

    Raises:
        RegistryError: There is no such registered model, version or alias.
        TrackingError: The server cannot be reached or refuses.
    """
    aliases = read_aliases(connection, name)
    if not text.isdecimal() and text not in aliases:
        if text in ALIASES:
            advice = "see `merflow registry list`"
        else:
            advice = nearest(text, ALIASES) if not any(map(str.isdigit, text)) else "give a version's number"
        raise RegistryError(f"no version of {name!r} has the alias {text!r}; {advice}")
    number = int(text) if text.isdecimal() else aliases[text]
    try:
        return _version(connection.call("get_model_version", name, str(number)), aliases)
    except TrackingError as error:
        if not is_refusal(error, MISSING):
            raise
        numbers = [str(each.version) for each in list_versions(connection, name)]
        has = f"it has {', '.join(numbers[:20])}" if numbers else "it has no version"
        raise RegistryError(f"no version {number} of {name!r} in MLflow at {connection.shown_uri}; {has}") from error


def find_version_of_model(connection: Connection, name: str, model_uri: str) -> int | None:
    """Return the number of the newest version that was made from a logged model; None if there is none.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    made = [int(each.version) for each in _search(connection, f"name = '{name}'") if each.source == model_uri]
    return max(made, default=None)


def version_tags(connection: Connection, name: str) -> dict[int, dict[str, str]]:
    """Return the tags of every version, by its number.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    return {int(each.version): dict(each.tags) for each in _search(connection, f"name = '{name}'")}


def create_version(
    connection: Connection, name: str, *, model_uri: str, run_id: str, package: ModelPackage, description: str
) -> RegisteredVersion:
    """Register a logged model as the next version; create the registered model if it does not exist.

    Raises:
        RegistryError: The user may not write the registered model.
        TrackingError: The server cannot be reached or refuses.
    """
    model_id = model_uri.removeprefix("models:/") if model_uri.startswith("models:/m-") else None
    try:
        _ensure_model(connection, name)
        # Without a server, MLflow looks up the logged model only in its default database.
        with connection.as_current("create_model_version"):
            made = connection.call(
                "create_model_version",
                name,
                source=model_uri,
                run_id=run_id,
                tags=VersionFacts.of(package).tags(),
                description=description,
                await_creation_for=0,  # it exists when the response arrives
                model_id=model_id,
            )
        if model_id is not None:
            _name_in_model(connection, model_id, {"name": name, "version": str(made.version)})
    except TrackingError as error:
        if is_refusal(error, "PERMISSION_DENIED"):
            raise permission_denied(name, error) from error
        raise
    return _version(made, read_aliases(connection, name))


def _name_in_model(connection: Connection, model_id: str, version: dict[str, str]) -> None:
    """Set the tag by which MLflow's pages link a logged model to the version; a server does so itself."""
    tags = connection.call("get_logged_model", model_id).tags
    known = json.loads(tags.get(_VERSIONS_TAG, "[]"))
    if version not in [{**each, "version": str(each["version"])} for each in known]:
        connection.call("set_logged_model_tags", model_id, {_VERSIONS_TAG: json.dumps([*known, version])})


def _ensure_model(connection: Connection, name: str) -> None:
    try:
        connection.call("get_registered_model", name)
        return
    except TrackingError as error:
        if not is_refusal(error, MISSING):
            raise
    try:
        connection.call("create_registered_model", name, description="Speech-emotion models that merflow registered.")
    except TrackingError as error:
        if not is_refusal(error, "RESOURCE_ALREADY_EXISTS"):  # another process created it at the same moment
            raise


def _search(connection: Connection, condition: str) -> list[Any]:
    page = connection.call("search_model_versions", condition)
    found = list(page)
    while page.token:
        page = connection.call("search_model_versions", condition, page_token=page.token)
        found += page
    return found


def _version(found: Any, aliases: dict[str, int]) -> RegisteredVersion:  # noqa: ANN401 - mlflow's ModelVersion
    number, tags = int(found.version), dict(found.tags)
    return RegisteredVersion(
        name=str(found.name),
        version=number,
        aliases=tuple(alias for alias in ALIASES if aliases.get(alias) == number),
        facts=VersionFacts.read(tags),
        forced=tags.get(FORCED_TAG) == "true",
        run_id=found.run_id or "",
        source=str(found.source),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        description=found.description or "",
    )
