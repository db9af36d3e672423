"""Clips of sentiment, and the fold that was tested on them."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from merflow.corpus.manifest import read_manifest
from merflow.runs.fold_folder import folds_below, read_predictions
from tests.serving.rated import Turn, cut


class Rated(NamedTuple):
    """A fold of sentiment, its test predictions as training wrote them, and the clips of its test dialogues."""

    fold: Path
    tested: pd.DataFrame
    turns: list[Turn]


@pytest.fixture(scope="session")
def rated(rated_benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Rated:
    manifest, fold = read_manifest(rated_benchmark / "manifest.parquet"), min(folds_below(rated_benchmark / "folds"))
    tested = read_predictions(fold)
    dialogues = manifest.rows.loc[manifest.rows["utterance_id"].isin(set(tested["utterance_id"])), "dialogue_id"]
    return Rated(fold, tested, cut(manifest, set(dialogues), tmp_path_factory.mktemp("rated")))
