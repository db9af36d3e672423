"""The files that folds are trained on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Data:
    """Files of earlier jobs: a validated manifest, its splits, and the file of its extracted features."""

    manifest: Path
    splits: Path
    features: Path
