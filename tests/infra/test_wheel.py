"""The wheel, installed into a fresh environment, away from the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.contracts.package_facts import VARIABLE
from merflow.pipelines.packages import COMPILED, PIPELINES, SERVERS
from merflow.runs.code_closure import code_digests

pytest.importorskip("hatchling")
pytest.importorskip("kfp")

ROOT = Path(__file__).parents[2]
VARIANT = "context-mmt:bert-fc-frozen"


def run(*command: object, folder: Path) -> str:
    """Run a command without the paths of the checkout; return its standard output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wheel_of(source: Path, out: Path) -> Path:
    """Build the wheel of a checkout or an sdist, without the network."""
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--wheel-dir", out)
    run(sys.executable, "-m", "pip", "wheel", *options, source, folder=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of a fresh environment with the wheel; its dependencies are those of this environment."""
    location = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(location, with_pip=False)
    programs = location / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, folder=location)
    (packages,) = location.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def test_the_wheel_holds_merflow_and_nothing_next_to_it(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"merflow"}
    expected = {
        f"merflow/{name}" for name in ("params.yaml", "py.typed", "components/train.py", "pipelines/benchmark.py")
    }
    assert expected <= set(names)
    assert len(names) > 250
    assert not [name for name in names if "__pycache__" in name]


def test_the_wheel_of_an_sdist_holds_the_same(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path, folder=ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    names, again = (sorted(zipfile.ZipFile(each).namelist()) for each in (wheel, wheel_of(sdist, tmp_path)))
    assert names == again


def test_no_package_called_components_or_pipelines_is_installed(installed: Path, tmp_path: Path) -> None:
    found = "u.find_spec('components'), u.find_spec('pipelines')"
    program = f"import importlib.util as u, merflow; print(merflow.__file__, {found})"
    location, *others = run(installed / "python", "-c", program, folder=tmp_path).split()
    assert Path(location).is_relative_to(installed.parent)
    assert others == ["None", "None"]


def test_it_compiles_the_packages_that_are_checked_in(installed: Path, tmp_path: Path) -> None:
    settings = [f"{section}.{key}={value}" for section, keys in SERVERS.items() for key, value in keys.items()]
    options = [option for setting in settings for option in ("--set", setting)]
    run(installed / "merflow", "pipeline", "compile", "--out", "packages", *options, folder=tmp_path)
    for name in PIPELINES:
        compiled = without_code(tmp_path / f"packages/{name}.yaml")
        assert compiled == without_code(COMPILED / f"{name}.yaml")


def without_code(package: Path) -> list[Any]:
    """Return the documents of a package without the digests of code, which the checked-in packages lack."""
    documents = list(yaml.safe_load_all(package.read_text()))
    variables = [
        variable
        for executor in documents[0]["deploymentSpec"]["executors"].values()
        for variable in executor["container"]["env"]
        if variable["name"] == VARIABLE
    ]
    assert len(variables) == 1
    assert json.loads(variables[0]["value"])["code"] in ({}, code_digests()), "the wheel has the code of the checkout"
    variables[0]["value"] = {**json.loads(variables[0]["value"]), "code": {}}
    return documents


def test_it_runs_a_benchmark(installed: Path, tmp_path: Path) -> None:
    settings = ("training.max_epochs=1", "evaluation.bootstrap_samples=200", "tracking.uri=none")
    overrides = [word for setting in settings for word in ("--set", setting)]
    command = ("benchmark", "--size", "tiny", "--models", VARIANT, "--protocol", "session5-only", *overrides)
    told = run(installed / "merflow", *command, "--out", "run", folder=tmp_path)
    assert VARIANT in told
    assert VARIANT in (tmp_path / "run/report.html").read_text(encoding="utf-8")
