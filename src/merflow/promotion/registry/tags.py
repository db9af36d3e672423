"""Traces of the audit trail on registered models and their versions.

Each entry leaves a tag on its version. It is visible in MLflow's pages, and proves that the entry existed if the
trail's last entries are deleted from the database.
"""

from merflow.contracts.audit_trail import AuditEntry
from merflow.errors import TrackingError
from merflow.promotion.registry.refusals import MISSING, is_refusal, permission_denied
from merflow.promotion.registry.trail import RUN_TAG, Trail
from merflow.tracking.connection import Connection

TRACE = "merflow.trail."
_PROBE_TAG = "merflow.permission"
_TAGGED = ("promote", "rollback", "approve")


def tag_version(connection: Connection, name: str, entry: AuditEntry) -> None:
    """Tag the version with the entry; a forced promotion stays marked forever.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    if entry.action not in _TAGGED or entry.version is None:
        return
    action = "FORCED promotion" if entry.forced else entry.action
    text = f"{entry.digest}: {action} by {entry.who} at {entry.at}: {entry.why}"
    try:
        connection.call("set_model_version_tag", name, str(entry.version), f"{TRACE}{entry.number:06d}", text)
        if entry.forced:
            connection.call("set_model_version_tag", name, str(entry.version), "merflow.forced", "true")
    except TrackingError as error:
        if not is_refusal(error, MISSING):  # the version was deleted in the meantime
            raise


def probe_permission(connection: Connection, trail: Trail, *, version: int | None) -> None:
    """Check that the user may carry out a move, before it is recorded.

    Setting a tag needs MLflow's permission EDIT, so the registered model is tagged with a link to its trail. Removing
    an alias needs MANAGE, and so does removing a tag, so a nonexistent tag is removed.

    Args:
        connection: The server or database.
        trail: The audit trail.
        version: The version that an alias may be removed from; None if there is none.

    Raises:
        RegistryError: The user may not write the registered model.
        TrackingError: The server cannot be reached or refuses.
    """
    try:
        connection.call("set_registered_model_tag", trail.name, RUN_TAG, trail.ensure())
        if version is not None:
            connection.call("delete_model_version_tag", trail.name, str(version), _PROBE_TAG)
    except TrackingError as error:
        if is_refusal(error, "PERMISSION_DENIED"):
            raise permission_denied(trail.name, error) from error
        if not is_refusal(error, MISSING):  # read_aliases names the nearest
            raise
