from pathlib import Path

import pytest

from merflow.errors import RegistryError
from merflow.promotion.registry.location import registry_uri
from merflow.runs.remembered import remember_run
from tests.tracking.recorded import tracked_run


def test_a_benchmarks_folder_names_the_server_that_it_tracks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:5000")
    remember_run(tracked_run("http://mlflow:5000", "first").model_copy(update={"workspace": str(tmp_path)}))
    assert registry_uri(uri=None, folder=tmp_path) == "http://mlflow:5000"
    assert registry_uri(uri="http://given:5000", folder=tmp_path) == "http://given:5000"
    assert registry_uri(uri=None, folder=None) == "http://environment:5000"
    remember_run(tracked_run("http://other:5000", "second").model_copy(update={"workspace": str(tmp_path)}))
    with pytest.raises(RegistryError, match="track to http://mlflow:5000 and http://other:5000; choose one"):
        registry_uri(uri=None, folder=tmp_path)
