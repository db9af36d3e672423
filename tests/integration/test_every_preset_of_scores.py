"""Every preset of every model on a score, through the pipeline on this machine: many minutes, so only if asked for."""

import os
from pathlib import Path

import pytest

from merflow.contracts.score_results import ScoreResults, read_any_results
from merflow.presets import catalogue
from tests.cli.command import merflow

pytest.importorskip("kfp")
pytest.importorskip("great_expectations")

MODELS = sorted({preset.model for preset in catalogue.presets().values()})


@pytest.mark.skipif("MERFLOW_SLOW" not in os.environ, reason="takes many minutes; set MERFLOW_SLOW=1")
@pytest.mark.parametrize("model", MODELS)
def test_a_pipeline_trains_every_preset_on_sentiment(model: str, tmp_path: Path) -> None:
    variants = [name for name, preset in catalogue.presets().items() if preset.model == model]
    said = merflow(
        *("pipeline", "run", "benchmark", "--corpus", "synthetic-mosei", "--size", "tiny", "--protocol", "official"),
        *("--models", ",".join(variants), "--out", tmp_path / "run", "--set", "training.max_epochs=1"),
        *("--set", "tracking.uri=none", "--set", "evaluation.bootstrap_samples=100"),
    )
    assert said.code == 0, said.err
    results = read_any_results(tmp_path / "run/results.json")
    assert isinstance(results, ScoreResults)
    assert results.task == "sentiment"
    assert set(results.variants) == set(variants)
    assert results.classics
