"""The story of one version: its package, figures, card and history."""

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from merflow.contracts.audit_trail import AuditEntry
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import TrackingError
from merflow.promotion.registry.artifacts import card_location, has_files
from merflow.promotion.registry.refusals import MISSING, is_refusal
from merflow.promotion.registry.registry import Registry
from merflow.promotion.registry.state import state_of


@dataclass(frozen=True)
class Story:
    """One version.

    Attributes:
        version: The version.
        figures: Test figures of its run and of its logged model.
        card: Path of its card among its artifacts; None if it has none.
        has_files: True if MLflow has the model's files.
        entries: Entries of the audit trail about it, the oldest first.
        page: URL of its page in MLflow; empty without a server.
        run_page: URL of its run's page; empty without a server.
    """

    version: RegisteredVersion
    figures: dict[str, float]
    card: str | None
    has_files: bool
    entries: tuple[AuditEntry, ...]
    page: str
    run_page: str

    def plain(self) -> dict[str, Any]:
        """Return the story as JSON values."""
        return {
            **asdict(self),
            "version": self.version.model_dump(mode="json"),
            "entries": [entry.model_dump(mode="json") for entry in self.entries],
        }


def story(registry: Registry, text: str) -> Story:
    """Return the story of the version with a number or an alias.

    Raises:
        RegistryError: There is no such registered model, version or alias.
        TrackingError: The server cannot be reached or refuses.
    """
    version = registry.version(text)
    entries = state_of(registry.trail.read()).entries
    figures, experiment = _figures(registry, version)
    server = _server(registry.connection.uri)
    complete = has_files(registry.connection, version)
    return Story(
        version=version,
        figures=figures,
        card=card_location(registry.connection, version) if complete else None,
        has_files=complete,
        entries=_about(version.version, entries),
        page=f"{server}/#/models/{version.name}/versions/{version.version}" if server else "",
        run_page=f"{server}/#/experiments/{experiment}/runs/{version.run_id}" if server and experiment else "",
    )


def _about(version: int, entries: tuple[AuditEntry, ...]) -> tuple[AuditEntry, ...]:
    """Return the entries about a version, each with the entry that finishes it."""
    numbers = {entry.number for entry in entries if entry.concerns(version)}
    return tuple(entry for entry in entries if entry.number in numbers or entry.closes in numbers)


def _server(uri: str) -> str:
    """Return the address of MLflow's pages, without user and password; empty for a database."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def _figures(registry: Registry, version: RegisteredVersion) -> tuple[dict[str, float], str]:
    """Return the test figures of the version's run and model, and the run's experiment; nothing if they are missing."""
    figures: dict[str, float] = {}
    experiment = ""
    try:
        if version.run_id:
            run = registry.connection.call("get_run", version.run_id)
            figures |= {key: value for key, value in run.data.metrics.items() if key.startswith("test_")}
            experiment = str(run.info.experiment_id)
        if version.source.startswith("models:/m-"):
            model = registry.connection.call("get_logged_model", version.source.removeprefix("models:/"))
            figures |= {metric.key: metric.value for metric in model.metrics or []}
    except TrackingError as error:
        if not is_refusal(error, MISSING):
            raise
    return dict(sorted(figures.items())), experiment
