"""Real small things that several rooms test with: a generated release, miniature encoders, shipped parameters."""

from importlib.resources import files
from pathlib import Path

import pytest

from merflow.contracts.params import Params, read_params
from merflow.features.huggingface.miniature import build_miniatures
from merflow.jobs.source import synthetic_release


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_release(tmp_path_factory.mktemp("release") / "tiny", size="tiny")


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of miniature encoders."""
    folder = tmp_path_factory.mktemp("encoders")
    assert len(build_miniatures(folder)) == 6
    return folder


@pytest.fixture(scope="session")
def params() -> Params:
    """The shipped parameters, with few epochs and resamples."""
    return read_params(
        Path(str(files("merflow") / "params.yaml")),
        overrides=("training.max_epochs=3", "evaluation.bootstrap_samples=200", "splits.protocol=session5-only"),
    )
