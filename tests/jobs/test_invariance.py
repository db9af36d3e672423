"""Fig. 2 of GIA-MIC, drawn from two folds of one run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.params import Params
from merflow.errors import EvaluationError
from merflow.jobs.explain import explain
from merflow.jobs.train import train
from merflow.runs.fold_folder import read_predictions
from tests.jobs.conftest import files

FULL, NO_MIC = "gia-mic:full", "gia-mic:no-mic"
MODALITIES = ("video", "speech", "text")


@pytest.fixture(scope="module")
def trained(filmed: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fold 1 of both presets after one epoch on stored features, ``full/fold-1`` and ``no-mic/fold-1``."""
    run = tmp_path_factory.mktemp("invariant")
    settings = {"max_epochs": 1, "shadow_selection": "off", "encoders": "frozen"}
    for variant in (FULL, NO_MIC):
        train(
            f"{variant}:1",
            out=fold_of(run, variant.partition(":")[2]),
            checkpoints=run / "checkpoints",
            params=params.training.model_copy(update=settings),
            **files(filmed),
        )
    return run


def fold_of(run: Path, preset: str) -> Path:
    return run / preset / "fold-1"


def explained(fold: Path, filmed: Path, out: Path, *, against: Path | None = None) -> dict[str, dict[str, float]]:
    """Explain a fold, and return the agreement of its modalities by variant."""
    explain(fold, **files(filmed), out=out, examples=0, against=against)
    agreements: dict[str, dict[str, float]] = json.loads((out / "explain.json").read_text())["invariance"]
    return agreements


@pytest.mark.parametrize("preset", ["full", "no-mic"])
def test_the_model_without_its_constraint_is_next_to_the_full_one(
    trained: Path, filmed: Path, preset: str, tmp_path: Path
) -> None:
    tested = read_predictions(fold_of(trained, preset))["utterance_id"].tolist()
    agreements = explained(fold_of(trained, preset), filmed, tmp_path / "out")
    assert sorted(agreements) == [FULL, NO_MIC]
    assert agreements[FULL].keys() == {"silhouette", "foreign_neighbours", "chance", "distance"}
    assert agreements[FULL] != agreements[NO_MIC]
    with np.load(tmp_path / "out/invariance.npz", allow_pickle=False) as arrays:
        assert arrays["utterance_id"].tolist() == tested
        for variant in (FULL, NO_MIC):
            for modality in MODALITIES:
                assert len(arrays[f"{variant}/{modality}"]) == len(tested)
                assert arrays[f"{variant}/{modality}/tsne"].shape == (len(tested), 2)
    assert (tmp_path / "out/invariance.png").read_bytes().startswith(b"\x89PNG")
    # A vector that should not depend on the modality is not a gate.
    assert not [path.name for path in (tmp_path / "out/weights").iterdir() if "generators" in path.name]


def test_a_fold_alone_has_one_panel_and_another_can_be_named(trained: Path, filmed: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(fold_of(trained, "full"), alone)
    assert list(explained(alone, filmed, tmp_path / "one")) == [FULL]
    beside = explained(alone, filmed, tmp_path / "two", against=fold_of(trained, "no-mic"))
    assert sorted(beside) == [FULL, NO_MIC]
    with pytest.raises(EvaluationError, match=r"is of the same variant as .*pass --against a fold of another variant"):
        explained(alone, filmed, tmp_path / "three", against=fold_of(trained, "full"))
