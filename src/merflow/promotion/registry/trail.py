"""The audit trail in MLflow: params of a run, which can be written once and never changed.

Why params. MLflow's aliases and tags can be set by anybody at any time; the last writer wins, and there is no
compare-and-set. A param is different: its key and run are the primary key of a table, and MLflow refuses another value
under the same key. So if several processes write ``entry.000007``, exactly one succeeds (tested on SQLite and
PostgreSQL). A process writes entry 7 only after it has read entries 1 to 6, so every entry is a decision based on all
entries before it. If it loses the race, it reads and decides again. Numbers are consecutive because nobody writes 7
without having seen 6; MLflow's API cannot delete or change a param.

A request whose response was lost (because the server was killed) does no harm: the same text under the same key is
accepted again, and nobody else writes the same text, because it contains a random name.

One run per registered model. An experiment's name is unique in the database as well. A new experiment is created under
a temporary name, gets its run, and is then renamed; if two processes rename at once, one fails and uses the other's
run.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from merflow.contracts.audit_trail import LONGEST_ENTRY, AuditEntry, StoredEntry, entry_key, read_entry, text_digest
from merflow.errors import RegistryError, TrackingError
from merflow.promotion.registry.refusals import is_refusal, permission_denied
from merflow.tracking.connection import Connection
from merflow.tracking.runs import KIND_TAG, NOTE_TAG, SOURCE_TAGS

EXPERIMENTS = "merflow-registry"
RUN_TAG = "merflow.audit_run"
_PREFIX = "entry."
_NOTE = (
    "The audit trail of the registered model `{name}`: who moved which alias, when and why. Its entries are the params "
    "of this run, which MLflow never changes. `merflow registry audit` reads them and checks that none is missing. Do "
    "not delete the run."
)


class Trail:
    """The audit trail of one registered model.

    Attributes:
        name: The registered model.
        writer: Random name of this process in its entries.
    """

    def __init__(self, connection: Connection, name: str, *, who: str) -> None:
        self.name = name
        self.who = who
        self.writer = secrets.token_hex(6)
        self._connection = connection
        self._run_id: str | None = None

    def read(self) -> list[StoredEntry]:
        """Return all entries, the oldest first; none if nothing was ever recorded.

        Raises:
            RegistryError: The trail's run or experiment was deleted.
            TrackingError: The server cannot be reached or refuses.
        """
        if self._run_id is None:
            self._run_id = self._existing()
        if self._run_id is None:
            return []
        run = self._connection.call("get_run", self._run_id)
        if run.info.lifecycle_stage != "active":
            raise RegistryError(
                f"the run of the audit trail of {self.name} is in MLflow's trash; restore run {self._run_id} "
                "(MlflowClient().restore_run)"
            )
        return [read_entry(key, run.data.params[key]) for key in sorted(run.data.params) if key.startswith(_PREFIX)]

    def append(self, after: Sequence[StoredEntry], fields: dict[str, Any]) -> AuditEntry | None:
        """Write the entry that follows the given ones.

        Args:
            after: All entries, as :meth:`read` returned them.
            fields: Fields of the entry, without number, chain, time, person and writer.

        Returns:
            The entry; None if somebody else has written this number in the meantime.

        Raises:
            RegistryError: The entry is too long, or the user may not write.
            TrackingError: The server cannot be reached or refuses.
        """
        entry = AuditEntry(
            number=int(after[-1].key.removeprefix(_PREFIX)) + 1 if after else 1,
            chain=text_digest(after[-1].text) if after else "",
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            who=self.who,
            writer=self.writer,
            **fields,
        )
        if len(entry.text) > LONGEST_ENTRY:
            raise RegistryError(
                f"the entry for the audit trail has {len(entry.text)} characters, and MLflow keeps {LONGEST_ENTRY}; "
                "shorten the reason"
            )
        try:
            self._connection.call("log_param", self.ensure(), entry_key(entry.number), entry.text)
        except TrackingError as error:
            if is_refusal(error, "PERMISSION_DENIED"):
                raise permission_denied(self.name, error) from error
            # The error message depends on the database, so the entry itself is checked.
            written = {each.key: each.text for each in self.read()}.get(entry_key(entry.number))
            if written is None:
                raise
            return entry if written == entry.text else None
        return entry

    def store(self, text: str, file: str) -> None:
        """Store a text as an artifact next to the entries.

        Raises:
            RegistryError: The user may not write.
            TrackingError: The server cannot be reached or refuses.
        """
        try:
            self._connection.call("log_text", self.ensure(), text, file)
        except TrackingError as error:
            if is_refusal(error, "PERMISSION_DENIED"):
                raise permission_denied(self.name, error) from error
            raise

    def run_id(self) -> str | None:
        """Return the id of the run with the trail; None if nothing was ever recorded.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return self._run_id or self._existing()

    def ensure(self) -> str:
        """Return the id of the run with the trail; create it if there is none.

        Raises:
            RegistryError: The user may not write.
            TrackingError: The server cannot be reached or refuses.
        """
        self._run_id = self._run_id or self._existing() or self._create()
        return self._run_id

    @property
    def _experiment(self) -> str:
        return f"{EXPERIMENTS}/{self.name}"

    def _existing(self) -> str | None:
        experiment = self._connection.call("get_experiment_by_name", self._experiment)
        if experiment is None:
            return None
        if experiment.lifecycle_stage != "active":
            raise RegistryError(
                f"experiment {self._experiment!r}, which holds the audit trail, was deleted in MLflow; restore it: "
                f"mlflow experiments restore -x {experiment.experiment_id}"
            )
        if RUN_TAG not in experiment.tags:
            raise RegistryError(
                f"experiment {self._experiment!r} is not merflow's: it has no tag {RUN_TAG}; rename it in MLflow"
            )
        return str(experiment.tags[RUN_TAG])

    def _create(self) -> str:
        call, database = self._connection.call, self._connection.database
        root = None if database is None else database.with_name("mlartifacts").resolve().as_uri()
        draft = f"{self._experiment} (unfinished {self.writer})"
        tags = {"mlflow.experimentKind": "custom_model_development", KIND_TAG: "registry"}
        try:
            made = str(call("create_experiment", draft, artifact_location=root, tags=tags))
            note = {NOTE_TAG: _NOTE.format(name=self.name), KIND_TAG: "audit-trail", **SOURCE_TAGS}
            run = call("create_run", made, tags=note, run_name=f"audit trail of {self.name}")
            call("set_terminated", run.info.run_id, status="FINISHED")
            call("set_experiment_tag", made, RUN_TAG, run.info.run_id)
        except TrackingError as error:
            if is_refusal(error, "PERMISSION_DENIED"):
                raise permission_denied(self.name, error) from error
            raise
        try:
            call("rename_experiment", made, self._experiment)
        except TrackingError:
            winner = self._existing()
            if winner is None:
                raise
            if winner != run.info.run_id:  # otherwise only the response was lost
                call("delete_experiment", made)
            return winner
        return str(run.info.run_id)
