"""The secret files: none is in git, each comes from an example without passwords, and none is overwritten."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from tests.infra.manifests import KUSTOMIZE, ROOT, copy

FOLDER = KUSTOMIZE / "components/secrets"


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def fill(folder: Path) -> list[str]:
    command = [sys.executable, str(folder / "fill.py")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy(tmp_path) / "components/secrets"


def test_an_example_holds_no_password_and_every_file_of_the_component_has_one() -> None:
    examples = sorted(FOLDER.glob("*.env.example"))
    component = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    named = {env for generator in component["secretGenerator"] for env in generator["envs"]}
    assert {path.name.removesuffix(".example") for path in examples} == named
    assert len(examples) == 6
    for example in examples:
        for key, value in values(example).items():
            assert not value or key.endswith("USERNAME"), f"{example.name}: {key}"


def test_git_has_no_secret_file_and_ignores_new_ones() -> None:
    tracked = subprocess.run(["git", "ls-files", FOLDER], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    if not tracked:
        pytest.skip("needs a git checkout")
    assert [name for name in tracked.splitlines() if name.endswith(".env")] == []
    files = [path.with_suffix("") for path in FOLDER.glob("*.env.example")]
    ignored = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True).stdout
    assert len(ignored.splitlines()) == len(files)


def test_fill_writes_random_values_for_the_owner_alone(folder: Path) -> None:
    assert len(fill(folder)) == 6
    secrets = {key: value for path in folder.glob("*.env") for key, value in values(path).items()}
    secrets = {key: value for key, value in secrets.items() if "USERNAME" not in key}
    assert len(secrets) == len(set(secrets.values())) == 12
    Fernet(secrets.pop("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"))
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in secrets.values())
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.env")} == {0o600}


def test_fill_keeps_existing_files(folder: Path) -> None:
    (folder / "optuna.env").write_text("OPTUNA_PASSWORD=mine\n")
    assert len(fill(folder)) == 5
    assert values(folder / "optuna.env") == {"OPTUNA_PASSWORD": "mine"}
    assert fill(folder) == []


@pytest.mark.parametrize(
    ("script", "variables"),
    [
        ("base/services/mlflow/write_pgpass.sh", ("MLFLOW_PASSWORD", "MLFLOW_AUTH_PASSWORD")),
        (
            "components/seaweedfs/write_identities.sh",
            ("MLFLOW_ACCESS_KEY", "MLFLOW_SECRET_KEY", "RUNS_ACCESS_KEY", "RUNS_SECRET_KEY"),
        ),
    ],
)
def test_a_script_refuses_an_empty_secret_and_says_where_it_is_filled(
    script: str, variables: tuple[str, ...], tmp_path: Path
) -> None:
    for empty in variables:
        environment = {name: "" if name == empty else "filled" for name in variables}
        out = str(tmp_path / "out")
        environment |= {"PGPASSFILE": out, "IDENTITIES": out, "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", KUSTOMIZE / script], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert empty in done.stderr
        assert ".env" in done.stderr
        assert not (tmp_path / "out").exists()
