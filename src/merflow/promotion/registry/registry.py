"""One registered model, with its versions, aliases, lock and audit trail."""

from merflow.contracts.model_package import ModelPackage
from merflow.contracts.registered_version import RegisteredVersion
from merflow.errors import RegistryError
from merflow.promotion.registry.artifacts import check_files
from merflow.promotion.registry.moves import LOCK_S, MARGIN_S, Mover
from merflow.promotion.registry.person import person
from merflow.promotion.registry.state import CANDIDATE, RegistryState, alias_moves
from merflow.promotion.registry.trail import Trail
from merflow.promotion.registry.versions import create_version, find_version, find_version_of_model, list_versions
from merflow.tracking.connection import Connection

DEFAULT_NAME = "merflow"


class Registry:
    """A registered model on a tracking server or database.

    Attributes:
        connection: The server or database.
        name: Name of the registered model.
        trail: Its audit trail.
        mover: Moves its aliases.
    """

    def __init__(
        self,
        connection: Connection,
        name: str = DEFAULT_NAME,
        *,
        who: str | None = None,
        lock_s: float = LOCK_S,
        margin_s: float = MARGIN_S,
    ) -> None:
        self.connection = connection
        self.name = name
        self.trail = Trail(connection, name, who=who or person())
        self.mover = Mover(connection, self.trail, lock_s=lock_s, margin_s=margin_s)

    def versions(self) -> list[RegisteredVersion]:
        """Return all versions, the newest first.

        Raises:
            RegistryError: There is no such registered model.
            TrackingError: The server cannot be reached or refuses.
        """
        return list_versions(self.connection, self.name)

    def version(self, text: str) -> RegisteredVersion:
        """Return the version with a number or an alias.

        Raises:
            RegistryError: There is no such registered model, version or alias.
            TrackingError: The server cannot be reached or refuses.
        """
        return find_version(self.connection, self.name, text)

    def version_of_model(self, model_uri: str) -> int | None:
        """Return the number of the newest version that was made from a logged model; None if there is none.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return find_version_of_model(self.connection, self.name, model_uri)

    def usable(self, text: str) -> RegisteredVersion:
        """Return a version whose files MLflow has; see :meth:`version`.

        Raises:
            RegistryError: There is no such version, merflow did not register it, or its files are missing.
            TrackingError: The server cannot be reached or refuses.
        """
        found = self.version(text)
        if found.facts is None:
            raise RegistryError(
                f"{found.title} was not registered by merflow: it lacks the tags of a package; register the model with "
                "merflow registry register"
            )
        check_files(self.connection, found)
        return found

    def champion_of(self, state: RegistryState) -> RegisteredVersion | None:
        """Return the current champion.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return None if state.champion is None else self.version(str(state.champion))


def register_version(
    connection: Connection,
    name: str = DEFAULT_NAME,
    *,
    model_uri: str,
    run_id: str,
    package: ModelPackage,
    description: str,
    who: str | None = None,
) -> int:
    """Register a logged model as the next version and as ``candidate``, and return its number.

    Args:
        connection: The server or database.
        name: The registered model; created if it does not exist.
        model_uri: ``models:/m-…`` as ``mlflow.pyfunc.log_model`` returns it.
        run_id: Run of the logged model; from now on, merflow never deletes it.
        package: Description of the model.
        description: First lines of the card.
        who: Person; by default the current user.

    Raises:
        RegistryError: The user may not write.
        TrackingError: The server cannot be reached or refuses.
    """
    registry = Registry(connection, name, who=who)
    made = create_version(
        connection, name, model_uri=model_uri, run_id=run_id, package=package, description=description
    )
    why = f"{package.variant}, {package.kind}, from run {run_id}"

    def plan(state: RegistryState) -> dict[str, object]:
        before = state.aliases.get(CANDIDATE)
        # If two registrations happen at once, the newer version stays the candidate.
        after = made.version if before is None or before < made.version else before
        return {
            "action": "register",
            "version": made.version,
            "why": why,
            "moves": alias_moves(state, {CANDIDATE: after}),
        }

    registry.mover.move(plan, patient=True)
    return made.version
