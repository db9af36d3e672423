"""A small real project with git and DVC, and credentials that the S3 server takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dvc")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set credentials that the server accepts, and hide the settings of the user who runs the tests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))


def run(project: Path, *words: str) -> str:
    """Run git, or DVC from the environment of the tests, in the project; return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(words, cwd=project, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def commit(project: Path, message: str) -> str:
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", message)
    return run(project, "git", "rev-parse", "HEAD").strip()


STAGES = """\
stages:
  index:
    cmd: cp source.txt table.txt
    deps: [source.txt]
    outs: [table.txt]
  split:
    cmd: cp table.txt folds.txt && echo told > folds.md
    deps: [table.txt]
    outs: [folds.txt, folds.md]
  train:
    cmd: cp folds.txt model.txt && echo weights >> model.txt
    deps: [folds.txt]
    outs: [model.txt]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two revisions, ``v1`` and ``v2``, whose tables differ."""
    place = tmp_path / "project"
    place.mkdir()
    run(place, "git", "init", "--quiet")
    run(place, "git", "config", "user.name", "Someone")
    run(place, "git", "config", "user.email", "someone@example.org")
    run(place, "dvc", "init", "--quiet")
    (place / "dvc.yaml").write_text(STAGES)
    for tag in ("v1", "v2"):
        (place / "source.txt").write_text(f"rows of {tag}\n")
        run(place, "dvc", "repro", "--quiet")
        commit(place, f"The table of {tag}")
        run(place, "git", "tag", tag)
    return place
