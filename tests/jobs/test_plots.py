import json
from pathlib import Path

import pandas as pd
import pytest

from merflow.contracts.fold_record import write_fold_record
from merflow.contracts.history import EpochFigures, write_history
from merflow.errors import EvaluationError
from merflow.evaluation.results import KEYS, VARIANT_KEYS
from merflow.jobs.plots import plots
from merflow.storage.local import write_json
from tests.contracts.records import fold_record

VARIANT = "mfdr:full"
RESULTS = dict.fromkeys(KEYS) | {
    "classes": ["angry", "sad"],
    "variants": {
        VARIANT: dict.fromkeys(VARIANT_KEYS)
        | {
            "UA": {"pooled": 0.75},
            "WA": {"pooled": 0.8},
            "macro_f1": 0.7,
            "ece": 0.1,
            "confusion": [[3, 1], [0, 2]],
            "reliability": [{"low": 0.5, "high": 1.0, "utterances": 6, "confidence": 0.9, "accuracy": 0.8}],
        }
    },
}


def fold(folder: Path, *, variant: str = VARIANT, number: int = 1, epochs: int = 2) -> Path:
    model, preset = variant.split(":")
    write_fold_record(folder / "model", fold_record(model=model, preset=preset, fold=number))
    write_history(
        folder,
        [
            EpochFigures(epoch, 1, train_loss=1 / epoch, dev_loss=2 / epoch, dev_ua=0.5, dev_wa=0.5, lr=1e-3, seconds=1)
            for epoch in range(1, epochs + 1)
        ],
    )
    return folder


def test_tables_and_figures_are_those_of_results_and_histories(tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", RESULTS)
    trained = [fold(tmp_path / "f2", number=2, epochs=1), fold(tmp_path / "f1")]
    plots(trained, results=tmp_path / "results.json", metrics=tmp_path / "metrics.json", out=tmp_path / "plots")
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        VARIANT: {"UA": 0.75, "WA": 0.8, "macro_f1": 0.7, "ece": 0.1}
    }
    learned = pd.read_csv(tmp_path / f"plots/learning/{VARIANT}.csv")
    assert learned[["fold", "epoch"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1]]
    assert learned["dev_loss"].tolist() == [2.0, 1.0, 2.0]
    confusion = pd.read_csv(tmp_path / f"plots/confusion/{VARIANT}.csv")
    counts = confusion.value_counts(["actual", "predicted"]).to_dict()
    assert counts == {("angry", "angry"): 3, ("sad", "sad"): 2, ("angry", "sad"): 1}
    bins = pd.read_csv(tmp_path / f"plots/reliability/{VARIANT}.csv")
    assert bins.to_dict("records") == [{"confidence": 0.9, "accuracy": 0.8, "utterances": 6}]


def test_results_without_their_folds_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", RESULTS)
    with pytest.raises(EvaluationError, match="has mfdr:full, no fold given is of it"):
        plots(
            [fold(tmp_path / "f", variant="mfdr:gru")],
            results=tmp_path / "results.json",
            metrics=tmp_path / "metrics.json",
            out=tmp_path / "plots",
        )
