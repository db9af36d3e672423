"""Fig. 2 of GIA-MIC, drawn from two folds of one run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.params import Params
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import EvaluationError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.explain import explain
from merflow.runs.fold_folder import read_predictions

FULL, NO_MIC = "gia-mic:full", "gia-mic:no-mic"
MODALITIES = ("video", "speech", "text")


@pytest.fixture(scope="module")
def finished(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("invariant")
    release = synthesize(out / "release", size="tiny", video=True)
    changes = {
        "splits": params.splits.model_copy(update={"protocol": "session5-only"}),
        "training": params.training.model_copy(update={"max_epochs": 1}),
        "tracking": params.tracking.model_copy(update={"uri": "none"}),
    }
    benchmark(
        CorpusSource("synthetic", release),
        variants=[FULL, NO_MIC],
        out=out / "run",
        params=params.model_copy(update=changes),
        name="test",
        command="",
    )
    return out / "run"


def fold_of(run: Path, preset: str) -> Path:
    return run / "folds/gia-mic" / preset / "fold-1"


def explained(run: Path, fold: Path, out: Path, *, against: Path | None = None) -> dict[str, dict[str, float]]:
    """Explain a fold, and return the agreement of its modalities by variant."""
    files = {"manifest": run / "manifest.parquet", "splits": run / "splits.parquet", "features": run / "features.json"}
    explain(fold, **files, out=out, examples=0, against=against)
    agreements: dict[str, dict[str, float]] = json.loads((out / "explain.json").read_text())["invariance"]
    return agreements


@pytest.mark.parametrize("preset", ["full", "no-mic"])
def test_the_model_without_its_constraint_stands_beside_the_whole_one(
    finished: Path, preset: str, tmp_path: Path
) -> None:
    tested = read_predictions(fold_of(finished, preset))["utterance_id"].tolist()
    agreements = explained(finished, fold_of(finished, preset), tmp_path / "out")
    assert list(agreements) == [NO_MIC, FULL]
    assert agreements[FULL].keys() == {"silhouette", "foreign_neighbours", "chance", "distance"}
    assert agreements[FULL] != agreements[NO_MIC]
    with np.load(tmp_path / "out/invariance.npz", allow_pickle=False) as arrays:
        assert arrays["utterance_id"].tolist() == tested
        for variant in (FULL, NO_MIC):
            for modality in MODALITIES:
                assert arrays[f"{variant}/{modality}"].shape == (len(tested), 96)
                assert arrays[f"{variant}/{modality}/tsne"].shape == (len(tested), 2)
    assert (tmp_path / "out/invariance.png").read_bytes().startswith(b"\x89PNG")
    # A vector that should not depend on the modality is no gate.
    assert not [path.name for path in (tmp_path / "out/weights").iterdir() if "generators" in path.name]


def test_a_fold_alone_has_one_panel_and_another_can_be_named(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(fold_of(finished, "full"), tmp_path / "alone")
    assert list(explained(finished, tmp_path / "alone", tmp_path / "one")) == [FULL]
    beside = explained(finished, tmp_path / "alone", tmp_path / "two", against=fold_of(finished, "no-mic"))
    assert list(beside) == [NO_MIC, FULL]
    with pytest.raises(EvaluationError, match=r"is of the same variant as .*pass --against a fold of another variant"):
        explained(finished, tmp_path / "alone", tmp_path / "three", against=fold_of(finished, "full"))
