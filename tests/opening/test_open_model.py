"""One model through all its locations: folders, a registry and a run; and locations that have no model."""

from pathlib import Path

import pytest

from merflow.contracts.package_files import weights_digest
from merflow.corpus.manifest import read_manifest
from merflow.errors import RegistryError, ServingError, TrackingError
from merflow.inference.media_clips import Clip
from merflow.opening.open_model import open_model
from merflow.runs.fold_folder import folds_below
from merflow.runs.workspace import Workspace
from merflow.serving.answers import ClipPrediction
from merflow.serving.predictor import Predictor
from merflow.tracking.connection import Connection
from tests.conftest import Registered

GROUPS = ["F", "M", None, "F", "M"]


@pytest.fixture(scope="module")
def clips(benchmark: Path) -> list[Clip]:
    manifest = read_manifest(benchmark / "manifest.parquet")
    paths = [manifest.root / path for path in manifest.rows["audio_path"][:5]]
    return [Clip(path.name, audio=path, text="well i do not know") for path in paths]


def probabilities(predictor: Predictor, clips: list[Clip]) -> list[dict[str, float]]:
    return [each.probabilities for each in predictor.predict(clips) if isinstance(each, ClipPrediction)]


def test_folds_together_are_the_package_that_would_be_registered(
    benchmark: Path, ensemble: Path, clips: list[Clip]
) -> None:
    folds, package = (open_model(str(each), device="cpu") for each in (benchmark, ensemble))
    assert folds.model.calibrated
    assert folds.model.abstains
    assert folds.model.version == package.model.version, "the same weights"
    assert probabilities(folds, clips) == probabilities(package, clips)
    single = open_model(str(min(folds_below(benchmark / "folds"))), device="cpu")
    assert single.model.calibrated, "its development data are above it"
    assert single.model.version != folds.model.version


def test_a_version_and_a_run_of_mlflow_are_the_package(
    registered: Registered, ensemble: Path, clips: list[Clip], cache: Path
) -> None:
    expected = open_model(str(ensemble), device="cpu")
    for location, version in (
        ("models:/emotions@champion", "1"),
        ("models:/emotions/1", "1"),
        (f"runs:/{registered.run_id}", expected.model.version),
    ):
        opened = open_model(location, tracking_uri=registered.uri, device="cpu")
        assert opened.model.version == version
        assert opened.predict(clips, groups=GROUPS) == expected.predict(clips, groups=GROUPS)
    assert len(list(cache.iterdir())) == 2, "the alias and the number are one download"


def test_a_damaged_download_is_fetched_again(registered: Registered, cache: Path) -> None:
    open_model("models:/emotions/1", tracking_uri=registered.uri, device="cpu")
    (weights,) = cache.glob("*/*/members/01/model.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    open_model("models:/emotions/1", tracking_uri=registered.uri, device="cpu")
    assert weights.read_bytes() == whole


def test_the_run_of_a_fold_is_its_model(benchmark: Path) -> None:
    connection = Connection(Workspace(benchmark).tracking_uri)
    experiments = [each.experiment_id for each in connection.call("search_experiments")]
    runs = connection.call("search_runs", experiments, "tags.`merflow.kind` = 'fold'")
    locations = [f"runs:/{run.info.run_id}" for run in runs]
    opened = {open_model(each, tracking_uri=connection.uri, device="cpu").model.version for each in locations}
    assert opened == {weights_digest([fold / "model"]) for fold in folds_below(benchmark / "folds")}
    assert len(opened) == 2


def test_locations_without_a_model_are_named(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="contains no model; name the folder of a fold"):
        open_model(str(tmp_path))
    with pytest.raises(ServingError, match="no such folder: runs/nowhere; name the folder of a fold"):
        open_model("runs/nowhere")
    with pytest.raises(RegistryError, match=r"nothing says where models:/a@champion is; give --tracking-uri"):
        open_model("models:/a@champion")
    with pytest.raises(ServingError, match="names no version; write models:/NAME@champion"):
        open_model("models:/a")
    with pytest.raises(TrackingError, match="no such file"):
        open_model("models:/a/1", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


def test_a_missing_run_or_version_is_named(registered: Registered) -> None:
    with pytest.raises(RegistryError, match="no version 7"):
        open_model("models:/emotions/7", tracking_uri=registered.uri)
    with pytest.raises(ServingError, match="runs:/latest names no run; copy the id"):
        open_model("runs:/latest", tracking_uri=registered.uri)
