"""A small trained model behind a real server, and clips to send to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.opening.open_model import open_model
from merflow.promotion.packaging.package import build_package
from merflow.serving.predictor import Predictor
from tests.promotion.packaging.benchmarks import finish_benchmark
from tests.serving.http.running import Running, running

VARIANT = "context-mmt:mmt-frozen"


@pytest.fixture(scope="session")
def package(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an ensemble of two folds that hears and reads, with calibration and thresholds."""
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.34}
    few = params.model_copy(
        update={
            "splits": params.splits.model_copy(update=drawn),
            "features": params.features.model_copy(update={"workers": 0}),
            "training": params.training.model_copy(update={"device": "cpu", "max_epochs": 1}),
        }
    )
    out = tmp_path_factory.mktemp("served")
    run = finish_benchmark(tiny_release, out / "run", variants=[VARIANT], params=few)
    build_package(
        run, VARIANT, kind="ensemble", out=out / "package", coverage=0.8, device="cpu", progress=lambda *_: None
    )
    return out / "package"


@pytest.fixture(scope="session")
def predictor(package: Path) -> Predictor:
    return open_model(str(package), device="cpu")


@pytest.fixture(scope="session")
def server(predictor: Predictor) -> Iterator[Running]:
    """Run a server with the usual limits."""
    with running(predictor) as started:
        yield started


@pytest.fixture(scope="session")
def recordings(tiny_release: Path) -> list[Path]:
    """Return six short recordings."""
    found = sorted(
        path for path in tiny_release.glob("Session*/sentences/wav/*/*.wav") if not path.name.startswith("._")
    )
    assert len(found) >= 6
    return found[:: len(found) // 6][:6]
