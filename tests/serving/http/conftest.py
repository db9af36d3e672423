"""A small trained model behind a real server, and clips to send to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.opening.open_model import open_model
from merflow.serving.predictor import Predictor
from tests.rated_clips import RatedFold
from tests.serving.http.running import Running, running


@pytest.fixture(scope="session")
def predictor(ensemble: Path) -> Predictor:
    """Return an ensemble of two folds that hears and reads, with calibration and thresholds."""
    return open_model(str(ensemble), device="cpu")


@pytest.fixture(scope="session")
def server(predictor: Predictor) -> Iterator[Running]:
    """Run a server with the usual limits."""
    with running(predictor) as started:
        yield started


@pytest.fixture(scope="session")
def scorer(rated_fold: RatedFold) -> Predictor:
    """Return a fold of sentiment, with intervals."""
    return open_model(str(rated_fold.folder), device="cpu")


@pytest.fixture(scope="session")
def scoring(scorer: Predictor) -> Iterator[Running]:
    """Run a server of scores."""
    with running(scorer) as started:
        yield started


@pytest.fixture(scope="session")
def recordings(tiny_release: Path) -> list[Path]:
    """Return six short recordings."""
    found = sorted(
        path for path in tiny_release.glob("Session*/sentences/wav/*/*.wav") if not path.name.startswith("._")
    )
    assert len(found) >= 6
    return found[:: len(found) // 6][:6]
