"""MLflow's refusals, distinguished by their codes."""

from merflow.errors import RegistryError, TrackingError

MISSING = "RESOURCE_DOES_NOT_EXIST"
_NUMBERS = {"PERMISSION_DENIED": "403", "UNAUTHENTICATED": "401"}


def is_refusal(error: TrackingError, code: str) -> bool:
    """Return True if MLflow refused a request with this code.

    For basic authentication and artifacts, only the HTTP status code tells.
    """
    cause, number = error.__cause__, _NUMBERS.get(code, "")
    if getattr(cause, "error_code", "") == code:
        return True
    return bool(number) and any(words in str(cause) for words in (f"error code {number}", f"{number} Client Error"))


def permission_denied(name: str, error: TrackingError) -> RegistryError:
    """Return the error for a user who may read but not write the registry."""
    said = str(error).partition(":")[0] if "failed to" not in str(error) else str(error)
    return RegistryError(
        f"you may not write the registered model {name!r} or its audit trail ({said}); ask MLflow's administrator for "
        f"the permission MANAGE on the registered model {name} and EDIT on the experiment merflow-registry/{name}"
    )
