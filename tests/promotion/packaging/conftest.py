"""A benchmark of one fold whose encoders learn in a second stage, and a refit; see also the fixtures of all rooms."""

from pathlib import Path

import pytest

from merflow.contracts.params import Params
from tests.promotion.packaging.benchmarks import finish_benchmark, packaged

TWO_STAGES = "context-mmt:mmt-finetuned"


@pytest.fixture(scope="session")
def fine_tuned(tiny_release: Path, params: Params, encoders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of one fold of :data:`TWO_STAGES`, on miniatures of the real encoders."""
    tiny = {"profile": "tiny", "encoders_folder": str(encoders), "workers": 0}
    training = {"device": "cpu", "max_epochs": 2}
    changed = params.model_copy(
        update={
            "features": params.features.model_copy(update=tiny),
            "training": params.training.model_copy(update=training),
        }
    )
    return finish_benchmark(tiny_release, tmp_path_factory.mktemp("tuned"), variants=[TWO_STAGES], params=changed)


@pytest.fixture(scope="session")
def refitted(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the refit of the benchmark's variant; copy it before changing it."""
    return packaged(benchmark, tmp_path_factory.mktemp("packages") / "refit", kind="refit")
