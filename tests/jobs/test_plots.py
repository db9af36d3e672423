import json
from pathlib import Path

import pandas as pd
import pytest

from merflow.contracts.fold_record import write_fold_record
from merflow.contracts.history import write_history
from merflow.contracts.scores import Accuracy, ReliabilityBin
from merflow.errors import EvaluationError
from merflow.jobs.plots import plots
from tests.contracts.records import epoch, fold_record
from tests.evaluation.finished import results_of_three, variant

VARIANT = "mfdr:full"
SCORES = variant(
    0.75,
    wa=Accuracy(mean=0.8, std=None, pooled=0.8),
    macro_f1=0.7,
    confusion=((3, 1), (0, 2)),
    reliability=(ReliabilityBin(low=0.5, high=1.0, utterances=6, confidence=0.9, accuracy=0.8),),
)
RESULTS = results_of_three().model_copy(update={"classes": ("angry", "sad"), "variants": {VARIANT: SCORES}})


def fold(folder: Path, *, name: str = VARIANT, number: int = 1, epochs: int = 2) -> Path:
    model, preset = name.split(":")
    write_fold_record(folder / "model", fold_record(model=model, preset=preset, fold=number))
    write_history(
        folder, [epoch(each, train_loss=1 / each, dev_loss=2 / each, dev_ua=0.5) for each in range(1, epochs + 1)]
    )
    return folder


def test_tables_and_figures_are_those_of_results_and_histories(tmp_path: Path) -> None:
    RESULTS.write(tmp_path / "results.json")
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
    RESULTS.write(tmp_path / "results.json")
    with pytest.raises(EvaluationError, match="has mfdr:full, but none of the folds is of that variant"):
        plots(
            [fold(tmp_path / "f", name="mfdr:gru")],
            results=tmp_path / "results.json",
            metrics=tmp_path / "metrics.json",
            out=tmp_path / "plots",
        )
