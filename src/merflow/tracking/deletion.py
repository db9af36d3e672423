"""Runs that merflow replaces: deleted, unless a version of a registered model points to them."""

from typing import Any

from merflow.tracking.connection import Connection
from merflow.tracking.runs import KIND_TAG, NOTE_TAG

# Tags of a version that name further runs on which it is based.
_LINEAGE_TAGS = ("merflow.variant_run", "merflow.benchmark_run")
SUPERSEDED = "superseded"


def retire_run(connection: Connection, run_id: str) -> bool:
    """Make room for a new run with the same identity, and return True if the old run was deleted.

    A run that a registered version points to is evidence of what was promoted. It is kept: only its kind changes, so
    that merflow no longer finds it when it looks for the run of the fold or variant.

    Raises:
        TrackingError: The server cannot be reached or refuses.
    """
    versions = _versions_of(connection, run_id)
    if not versions:
        connection.call("delete_run", run_id)
        return True
    kind = connection.call("get_run", run_id).data.tags.get(KIND_TAG, "")
    named = ", ".join(f"{each.name} version {each.version}" for each in versions)
    note = (
        f"The registry points to this run ({named}), and so merflow keeps it. A newer run has taken its place among "
        f"the runs of its benchmark; this was a run of kind `{kind}`."
    )
    connection.call("set_tag", run_id, NOTE_TAG, note)
    connection.call("set_tag", run_id, KIND_TAG, f"{SUPERSEDED}-{kind}")
    return False


def _versions_of(connection: Connection, run_id: str) -> list[Any]:
    """Return the versions of all registered models that come from a run or name it in their tags."""
    conditions = [f"run_id = '{run_id}'", *(f"tags.`{tag}` = '{run_id}'" for tag in _LINEAGE_TAGS)]
    found = [each for condition in conditions for each in connection.call("search_model_versions", condition)]
    return list({(each.name, each.version): each for each in found}.values())
