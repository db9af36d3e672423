"""Where a benchmark keeps what its steps share: one folder that every step sees."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The places below one folder.

    Attributes:
        root: The folder; on a cluster a volume that every pod mounts.
    """

    root: Path

    @property
    def store(self) -> Path:
        """The feature store."""
        return self.root / "store"

    @property
    def checkpoints(self) -> Path:
        """Unfinished folds, by fingerprint."""
        return self.root / "checkpoints"

    @property
    def trials(self) -> Path:
        """Unfinished trials."""
        return self.root / "trials"

    @property
    def corpus(self) -> Path:
        """Generated releases."""
        return self.root / "corpus"

    @property
    def journal(self) -> Path:
        """What Whisper heard, by recording and model."""
        return self.root / "transcripts.jsonl"

    @property
    def tracked(self) -> Path:
        """What benchmarks have for their runs in MLflow, one folder each (``jobs.uploads``)."""
        return self.root / "tracking"

    @property
    def tracking_uri(self) -> str:
        """MLflow's database where no server is named."""
        return f"sqlite:///{self.root.resolve() / 'mlflow.db'}"

    @property
    def tracking_artifacts(self) -> Path:
        """MLflow's artifacts where no server is named."""
        return self.root.resolve() / "mlartifacts"
