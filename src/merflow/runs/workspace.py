"""The workspace: one folder that all steps of a benchmark share."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.fold_id import FoldId
from merflow.storage.local import digest, replacing


@dataclass(frozen=True)
class Workspace:
    """The paths below the workspace.

    Attributes:
        root: The folder; on a cluster a volume that every pod mounts.
    """

    root: Path

    @property
    def store(self) -> Path:
        """The feature store."""
        return self.root / "store"

    def store_of(self, shared: str) -> Path:
        """Return the feature store that ``features.store`` names, or this workspace's if it names none."""
        return Path(shared).expanduser() if shared else self.store

    def fold(self, fold: FoldId) -> Path:
        """Return the folder of a trained fold."""
        model, _, preset = fold.variant.partition(":")
        return self.root / "folds" / model / preset / fold.folder

    def trained(self, name: str) -> Path:
        """Return the folder of a fold that a pipeline trained, by the fingerprints of the fold and of its data."""
        return self.root / "folds" / name

    @property
    def identity_file(self) -> Path:
        """File of :meth:`identity`; it is stored among the trained folds, so that it is deleted with them."""
        return self.root / "folds" / "identity"

    def identity(self) -> str:
        """Return eight hexadecimal digits that change when the trained folds are deleted; make them at the first call.

        Raises:
            OutputError: The workspace cannot be written.
        """
        path = self.identity_file
        if not path.is_file():
            with replacing(path) as part:
                part.write_text(secrets.token_hex(4), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    @property
    def inputs(self) -> Path:
        """Inputs of folds, by digest."""
        return self.root / "inputs"

    @property
    def requests(self) -> Path:
        """Requests of folds, by the identity of the workspace."""
        return self.root / "requests"

    @property
    def checkpoints(self) -> Path:
        """Unfinished folds, by fingerprint."""
        return self.root / "checkpoints"

    @property
    def trials(self) -> Path:
        """Unfinished trials; a pipeline keeps those of each study in a separate folder."""
        return self.root / "trials"

    def benchmark(self, name: str) -> Path:
        """Return the folder of a finished benchmark of a pipeline, from which its models are packaged."""
        return self.root / "benchmarks" / name

    @property
    def corpus(self) -> Path:
        """Generated releases."""
        return self.root / "corpus"

    @property
    def classics(self) -> Path:
        """Predictions of the classics, one folder each."""
        return self.root / "classics"

    @property
    def functionals(self) -> Path:
        """Functionals of recordings, by corpus, kind and code."""
        return self.root / "functionals"

    @property
    def journal(self) -> Path:
        """Transcripts that Whisper made, by recording and model."""
        return self.root / "transcripts.jsonl"

    @property
    def tracked(self) -> Path:
        """Records of the data to upload to MLflow, one folder per benchmark (:mod:`merflow.runs.remembered`)."""
        return self.root / "tracking"

    def run_of(self, name: str) -> Path:
        """Return the file of the newest run of a name in MLflow, into which the folds of a pipeline log."""
        return self.tracked / "by-name" / f"{digest(name)}.json"

    @property
    def tracking_uri(self) -> str:
        """URI of MLflow's database if no server is named."""
        return f"sqlite:///{self.root.resolve() / 'mlflow.db'}"


def workspace_of(request: Path) -> Path:
    """Return the workspace that contains the request of a fold (:attr:`Workspace.requests`)."""
    return request.parents[2]
