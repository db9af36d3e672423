"""The aliases of a registered model in MLflow."""

from merflow.errors import RegistryError, TrackingError, nearest
from merflow.promotion.registry.refusals import MISSING, is_refusal, permission_denied
from merflow.promotion.registry.state import ALIASES
from merflow.tracking.connection import Connection


def read_aliases(connection: Connection, name: str) -> dict[str, int]:
    """Return the versions of merflow's three aliases; unset aliases are absent.

    Raises:
        RegistryError: There is no such registered model.
        TrackingError: The server cannot be reached or refuses.
    """
    try:
        model = connection.call("get_registered_model", name)
    except TrackingError as error:
        if not is_refusal(error, MISSING):
            raise
        known = [str(each.name) for each in connection.call("search_registered_models")]
        hint = nearest(name, known) if known else "register one with `merflow registry register RUN VARIANT`"
        raise RegistryError(f"no registered model {name!r} in MLflow at {connection.shown_uri}; {hint}") from error
    return {alias: int(version) for alias, version in model.aliases.items() if alias in ALIASES}


def set_alias(connection: Connection, name: str, alias: str, version: int | None) -> bool:
    """Point an alias to a version, or remove it.

    Returns:
        False if the version no longer exists; the alias is unchanged.

    Raises:
        RegistryError: The user may not move aliases.
        TrackingError: The server cannot be reached or refuses.
    """
    try:
        if version is None:
            connection.call("delete_registered_model_alias", name, alias)
        else:
            connection.call("set_registered_model_alias", name, alias, str(version))
    except TrackingError as error:
        if is_refusal(error, MISSING):
            return False
        if is_refusal(error, "PERMISSION_DENIED"):
            raise permission_denied(name, error) from error
        raise
    return True
