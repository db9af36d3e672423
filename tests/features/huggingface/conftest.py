from pathlib import Path

import pytest

from merflow.features.huggingface.miniature import build_miniatures


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of miniature encoders."""
    folder = tmp_path_factory.mktemp("encoders")
    assert len(build_miniatures(folder)) == 6
    return folder
