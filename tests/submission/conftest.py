"""A package, a KFP server, and a user whose config folder has a profile for it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("kfp")
pytest.importorskip("kfp_server_api")

from merflow.contracts.params_files import shipped_params, with_changes
from tests.submission import kfp_server
from tests.submission.kfp_server import KfpServer

IMAGE = f"registry.example.org/merflow/python@sha256:{'0' * 64}"
CHANGES = (
    f"{{tracking: {{uri: 'http://mlflow.mlops:5000'}}, tuning: {{storage: 'postgresql://optuna@postgres/optuna'}}, "
    f"cluster: {{image: '{IMAGE}', service_account: merflow-runner}}}}"
)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of packages of the code that is here, with an image by digest."""
    from merflow.pipelines.packages import compile_packages

    folder = tmp_path_factory.mktemp("compiled")
    compile_packages(folder, params=with_changes(shipped_params(), CHANGES))
    return folder


@pytest.fixture
def packages(compiled: Path, tmp_path: Path) -> Path:
    """Return a copy of the packages that a test may change."""
    return Path(shutil.copytree(compiled, tmp_path / "packages"))


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    """Run a KFP server."""
    with kfp_server.running() as server:
        yield server


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home without settings, outside of any checkout; return its config folder."""
    home = tmp_path / "home"
    (home / ".config/merflow").mkdir(parents=True)
    for name in ("MERFLOW_PROFILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    return home / ".config/merflow"


@pytest.fixture
def profile(user: Path, kfp: KfpServer) -> Path:
    """Write a profile for the server; return the file."""
    path = user / "clusters.toml"
    path.write_text(
        f'default = "lab"\n[cluster.lab]\nhost = "{kfp.url}"\nnamespace = "speech"\nmlflow = "http://mlflow.mlops:5000"\n'
    )
    return path
