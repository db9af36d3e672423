"""Two finished benchmarks: two folds on stored features, and one fold whose encoders learn in a second stage."""

from pathlib import Path

import pytest

from merflow.contracts.model_package import Kind
from merflow.contracts.params import Params
from merflow.promotion.packaging.package import build_package
from tests.promotion.packaging.benchmarks import finish_benchmark

VARIANT = "context-mmt:mmt-frozen"
TWO_STAGES = "context-mmt:mmt-finetuned"


def packaged(run: Path, out: Path, *, variant: str = VARIANT, kind: Kind = "ensemble", coverage: float = 0.8) -> Path:
    """Build a package on the CPU and return its folder."""
    build_package(run, variant, kind=kind, out=out, coverage=coverage, device="cpu", progress=lambda *_: None)
    return out


@pytest.fixture(scope="session")
def two_folds(params: Params) -> Params:
    """Return parameters of two folds, with a third of the training dialogues as development data."""
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.34}
    training = {"device": "cpu", "max_epochs": 4}
    return params.model_copy(
        update={
            "splits": params.splits.model_copy(update=drawn),
            "training": params.training.model_copy(update=training),
            "tracking": params.tracking.model_copy(update={"system_metrics_every_s": 0.0}),
        }
    )


@pytest.fixture(scope="session")
def benchmark(tiny_release: Path, two_folds: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of :data:`VARIANT`, tracked in SQLite."""
    out = tmp_path_factory.mktemp("benchmark")
    return finish_benchmark(tiny_release, out, variants=[VARIANT], params=two_folds, tracked=True)


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
def ensemble(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ensemble of the benchmark's fold models; copy it before changing it."""
    return packaged(benchmark, tmp_path_factory.mktemp("packages") / "ensemble")


@pytest.fixture(scope="session")
def refitted(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the refit of the benchmark's variant; copy it before changing it."""
    return packaged(benchmark, tmp_path_factory.mktemp("packages") / "refit", kind="refit")
