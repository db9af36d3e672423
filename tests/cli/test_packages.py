"""The commands that compile and check packages."""

import json
from pathlib import Path

import pytest

from tests.cli.command import merflow

pytest.importorskip("kfp")

SERVER = ("--set", "tracking.uri=http://mlflow:5000")


def test_a_package_is_compiled_checked_and_broken(tmp_path: Path) -> None:
    done = merflow("pipeline", "compile", "benchmark", *SERVER, "--out", tmp_path)
    assert done.code == 0, done.err
    assert done.out.split() == [str(tmp_path / "benchmark.yaml")]
    assert "warning image-tag: merflow/python:0.1.0 has no digest" in done.err
    package = tmp_path / "benchmark.yaml"
    checked = merflow("pipeline", "lint", package)
    assert checked.code == 0, checked.err
    assert "0 errors, 2 warnings" in checked.out.replace("\n", " ")
    assert merflow("pipeline", "lint", package, "--strict").code == 2
    assert (
        merflow("pipeline", "lint", package, "--strict", "--allow", "image-tag", "--allow", "image-registry").code == 0
    )

    package.write_text(package.read_text().replace("backoffMaxDuration: ", "backoffMaxDuration: 1s # "))
    broken = merflow("pipeline", "lint", package, "--json")
    assert broken.code == 2
    found = json.loads(broken.out)
    assert found["errors"] == sum(each["rule"] == "retry-window" for each in found["findings"]) > 5


def test_what_cannot_work_is_not_compiled(tmp_path: Path) -> None:
    done = merflow("pipeline", "compile", "benchmark", "--out", tmp_path / "packages")
    assert done.code == 2
    assert "tracking.uri auto would be SQLite" in done.err.replace("\n", " ")
    assert not (tmp_path / "packages").exists()
    unknown = merflow("pipeline", "compile", "benchmrk", *SERVER, "--out", tmp_path)
    assert "did you mean 'benchmark'" in unknown.err


def test_a_missing_package_is_named_in_plain_words(tmp_path: Path) -> None:
    said = merflow("pipeline", "lint", tmp_path / "nowhere.yaml")
    assert said.code == 2
    assert ".yaml: No such file or directory; write it with `merflow" in " ".join(said.err.split())
