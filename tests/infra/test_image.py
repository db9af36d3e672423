"""The facts about the image that can be checked without building it."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from merflow.components import IMAGE
from merflow.contracts.params import shipped_params

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "infra/images/Containerfile"


def instructions(keyword: str) -> list[str]:
    """Return the arguments of every instruction with that keyword, in order, with continued lines joined."""
    text = CONTAINERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [
        line.split(maxsplit=1)[1]
        for line in text.splitlines()
        if line.startswith(f"{keyword} ") and len(line.split()) > 1
    ]


def labels() -> dict[str, str]:
    (found,) = instructions("LABEL")
    return dict(label.removeprefix("org.opencontainers.image.").split("=", 1) for label in shlex.split(found))


def copied() -> set[str]:
    """Return the files and folders that the build copies from the checkout."""
    from_checkout = [each.split() for each in instructions("COPY") if not each.startswith("--from")]
    return {source for *sources, _ in from_checkout for source in sources}


def project() -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def test_the_image_has_the_name_that_the_components_use_and_the_projects_version() -> None:
    assert f"{labels()['title']}:{labels()['version']}" == IMAGE
    assert labels()["version"] == project()["version"]
    assert shipped_params().cluster.image == IMAGE
    assert labels()["licenses"] == project()["license"]
    for text in (CONTAINERFILE, ROOT / "infra/README.md"):
        named = set(re.findall(r"merflow/python:[\w.]+", text.read_text(encoding="utf-8")))
        assert named == {IMAGE}, text.name


def test_no_registry_is_named() -> None:
    bases = [argument.partition("=")[2] for argument in instructions("ARG") if argument.startswith("BASE=")]
    stages = instructions("FROM")
    assert len(bases) == 1
    assert [stage.split()[0] for stage in stages] == ["${BASE}", "${BASE}"]
    for image in (*bases, IMAGE):
        host, slash, _ = image.partition("/")
        assert not (slash and (set(host) & {".", ":"} or host == "localhost")), image
    assert "://" not in CONTAINERFILE.read_text(encoding="utf-8")


def test_the_image_does_not_run_as_root_and_its_group_is_the_one_that_may_write() -> None:
    user, _, group = instructions("USER")[-1].partition(":")
    assert int(user) > 0, "a number, which a cluster can tell from root without looking into the image"
    assert int(group) == 0


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied()
    assert len(copied()) == 9
    for source in copied():
        assert (ROOT / source).exists(), source


def test_everything_that_is_installed_has_a_pinned_version() -> None:
    said = subprocess.run(
        [sys.executable, "infra/images/requirements.py", "pyproject.toml"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    names = {re.split(r"[\[<>=]", line)[0].lower().replace("_", "-") for line in said}
    pins = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    assert {"torch", "kfp", "mlflow", "great-expectations", "dvc", "av"} <= names
    assert not any(name.startswith("merflow") for name in names)
    assert names <= pins
