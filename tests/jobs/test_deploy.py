"""A registered version becomes manifests and a fetched package, with a real registry on SQLite."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from merflow.contracts.fetched_version import read_fetched
from merflow.contracts.model_package import PACKAGE, PREDICTIONS_FILE, Member, PackagedEncoder, read_package
from merflow.contracts.package_files import package_digest
from merflow.errors import DeploymentError, ModelError, OutputError, RegistryError, ServingError, TrackingError
from merflow.jobs.deploy import deploy, settings_of, write_deployment
from merflow.jobs.fetch_package import fetch_package
from merflow.promotion.registry.registry import Registry, register_version
from merflow.tracking.connection import Connection
from tests.cli.command import merflow, refused
from tests.promotion.registry.versions import logged_model, register

IMAGE = f"registry.example.com/merflow/python@sha256:{'1' * 64}"
SETTINGS = settings_of(changes={"image": IMAGE, "encoders_pvc": "encoders"})
ENCODERS = {
    "speech": PackagedEncoder(citation="lite-speech", digest=""),
    "text": PackagedEncoder(citation="bert-base-uncased@86b5e09", digest="ef" * 32),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    """Return a registry with two versions of one package, and a third whose tags tell of another one."""
    registry = Registry(Connection(f"sqlite:///{folder / 'mlflow.db'}"), who="anna")
    empty = Member(folder="members/01", digest=sha256().hexdigest(), fold=None, seed=0, epochs=7)
    model = logged_model(registry.connection.uri, folder / "model", members=(empty,), encoders=ENCODERS)
    package = read_package(folder / "model/package")
    for _ in range(2):
        register_version(
            registry.connection, model_uri=model[0], run_id=model[1], package=package, description="A card", who="anna"
        )
    register(registry, model, variant="mfdr:residual")
    return registry


@pytest.fixture(scope="module")
def digest(folder: Path) -> str:
    return package_digest(folder / "model/package")


def test_an_alias_becomes_an_exact_version_with_the_digest_of_its_package(registry: Registry, digest: str) -> None:
    registry.connection.call("set_registered_model_alias", "merflow", "champion", "1")
    made = deploy(registry, "champion", settings=SETTINGS, mode="standard")
    text = made.files["inferenceservice.yaml"]
    assert "models:/merflow/1" in text
    assert f"--digest={digest}" in text
    assert "champion" not in text
    assert made.notes == ()


def test_a_download_of_encoders_is_reported(registry: Registry) -> None:
    (note,) = deploy(registry, "1", settings=settings_of(changes={"image": IMAGE}), mode="standard").notes
    assert note.startswith("every new pod downloads encoders from the hub: bert-base-uncased@86b5e09;")


def test_a_package_that_is_not_the_registered_one_is_refused(registry: Registry) -> None:
    with pytest.raises(DeploymentError, match="the package of version 3 of 'merflow' is not the one that was register"):
        deploy(registry, "3", settings=SETTINGS, mode="standard")


def test_a_version_without_a_package_is_refused(registry: Registry) -> None:
    for text, said in (("9", "no version 9"), ("chanpion", "did you mean 'champion'"), ("previous", "has the alias")):
        with pytest.raises(RegistryError, match=said):
            deploy(registry, text, settings=SETTINGS, mode="standard")
    connection = registry.connection
    connection.call("create_registered_model", "foreign")
    connection.call("create_model_version", "foreign", source="file:///nowhere", run_id=None)
    with pytest.raises(RegistryError, match="was not registered by merflow"):
        deploy(Registry(connection, "foreign"), "1", settings=SETTINGS, mode="standard")


def test_files_of_an_earlier_deployment_go(registry: Registry, tmp_path: Path) -> None:
    both = deploy(registry, "1", settings=SETTINGS, mode="knative", canary="2", traffic=10)
    written = write_deployment(both, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        *("inferenceservice.yaml", "canary/inferenceservice.yaml"),
    ]
    (tmp_path / "mine.yaml").write_text("kept: true\n")
    write_deployment(deploy(registry, "2", settings=SETTINGS, mode="standard"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["httproute.yaml", "inferenceservice.yaml", "mine.yaml"]
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_deployment(both, tmp_path / "mine.yaml")


def test_a_package_is_fetched_once_and_again_if_it_is_not_whole(
    registry: Registry, digest: str, folder: Path, tmp_path: Path
) -> None:
    first = fetch_package(registry, "1", into=tmp_path, expected=digest)
    assert (first.new, first.folder, first.version.version) == (True, tmp_path / "package", 1)
    inside = {path.relative_to(first.folder) for path in first.folder.rglob("*")}
    assert inside == {path.relative_to(folder / "model/package") for path in (folder / "model/package").rglob("*")}
    assert read_fetched(first.folder) == first.version
    assert not fetch_package(registry, "1", into=tmp_path, expected=digest).new

    (first.folder / PREDICTIONS_FILE).write_bytes(b"other")
    assert fetch_package(registry, "1", into=tmp_path, expected=digest).new
    second = fetch_package(registry, "2", into=tmp_path, expected=digest)
    assert (second.new, second.version.version) == (True, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["package", "package.version.json"]


@pytest.mark.usefixtures("registry")
def test_an_existing_package_needs_no_server(digest: str, folder: Path, tmp_path: Path) -> None:
    shutil.copyfile(folder / "mlflow.db", tmp_path / "mlflow.db")
    offline = Registry(Connection(f"sqlite:///{tmp_path / 'mlflow.db'}"))
    fetch_package(offline, "1", into=tmp_path / "models", expected=digest)
    (tmp_path / "mlflow.db").write_bytes(b"no database")
    assert not fetch_package(offline, "1", into=tmp_path / "models", expected=digest).new


def test_another_digest_is_refused_and_the_existing_package_stays(
    registry: Registry, digest: str, tmp_path: Path
) -> None:
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(ModelError, match=f"the package of version 1 .* has the digest {digest}, not {wrong}"):
        fetch_package(registry, "1", into=tmp_path, expected=wrong)
    assert list(tmp_path.iterdir()) == []
    fetch_package(registry, "1", into=tmp_path, expected=digest)
    with pytest.raises(ModelError, match="is not the package that was asked for"):
        fetch_package(registry, "1", into=tmp_path, expected=wrong)
    assert (tmp_path / "package" / PACKAGE).is_file()
    with pytest.raises(ServingError, match="is not a digest"):
        fetch_package(registry, "1", into=tmp_path, expected="latest")


def test_an_unreachable_server_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Registry(Connection("http://127.0.0.1:9"))
    with pytest.raises(TrackingError, match="failed to"):
        fetch_package(away, "1", into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_commands_write_fetch_and_tell(registry: Registry, digest: str, tmp_path: Path) -> None:
    registry.connection.call("set_registered_model_alias", "merflow", "candidate", "2")
    at = ("--tracking-uri", registry.connection.uri)
    image = ("--image", IMAGE)
    said = merflow("registry", "deploy", "1", *image, *at)
    assert said.code == 0
    assert said.err.startswith("note: every new pod downloads encoders from the hub: ")
    assert [each["kind"] for each in yaml.safe_load_all(said.out)] == ["InferenceService", "HTTPRoute"]

    out = tmp_path / "out"
    both = ("--canary", "candidate", "--traffic", "10", "--mode", "knative", "--out", out)
    said = merflow("registry", "deploy", "1", *image, *at, *both, "--json")
    told = json.loads(said.out)
    assert told["versions"] == [{"name": "merflow", "version": number, "digest": digest} for number in (1, 2)]
    assert told["files"] == [str(out / "inferenceservice.yaml"), str(out / "canary/inferenceservice.yaml")]

    fetch = ("registry", "fetch", "models:/merflow/1", "--into", tmp_path / "models", "--digest", digest, *at)
    assert merflow(*fetch).out.startswith("version 1 of 'merflow' is fetched")
    assert merflow(*fetch).out.startswith("version 1 of 'merflow' is there already")


def test_the_commands_refuse_in_a_sentence(registry: Registry, tmp_path: Path) -> None:
    at = ("--tracking-uri", registry.connection.uri)
    image = ("--image", IMAGE)
    assert "has no digest" in refused("registry", "deploy", "1", *at)
    assert "has no digest" in refused("registry", "deploy", "1", "--image", "merflow/python:1", *at)
    for traffic in (0, 101, -1):
        with_canary = ("--canary", "2", f"--traffic={traffic}")
        assert f"--traffic {traffic} is not a share" in refused("registry", "deploy", "1", *image, *at, *with_canary)
    assert "go together" in refused("registry", "deploy", "1", *image, *at, "--canary", "2")
    assert "go together" in refused("registry", "deploy", "1", *image, *at, "--traffic", "10")
    knative = ("--mode", "knative", "--canary", "2", "--traffic", "10")
    assert "give --out FOLDER" in refused("registry", "deploy", "1", *image, *at, *knative)
    assert "no version 9" in refused("registry", "deploy", "9", *image, *at)
    assert "did you mean 'candidate'" in refused("registry", "deploy", "candidat", *image, *at)
    assert "no registered model 'merfow'" in refused("registry", "deploy", "1", "--name", "merfow", *image, *at)
    into = ("--into", tmp_path, *at)
    assert "names no version" in refused("registry", "fetch", "merflow/1", *into)
    assert "names no version" in refused("registry", "fetch", "models:/../1/2", *into)
    assert "is not a digest" in refused("registry", "fetch", "models:/merflow/1", "--digest", "sha256:12", *into)
    wrong = ("--digest", f"sha256:{'0' * 64}")
    assert "is not the package that was asked for" in refused("registry", "fetch", "models:/merflow/1", *wrong, *into)
    assert list(tmp_path.iterdir()) == []
