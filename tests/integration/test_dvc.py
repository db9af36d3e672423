"""The DVC stages run the benchmark, run nothing twice, and notice exactly the code that a step depends on."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("dvc")

ROOT = Path(__file__).parents[2]
VARIANT = "context-mmt:wavlm-fc-frozen"
EVERY_STAGE = [
    *("synthesize", "index", "validate", "split"),
    *(f"extract@{VARIANT}", f"train@{VARIANT}-1-0", "evaluate"),
]

# Which steps' digests change with each source file, asked of the checkout's own code.
_ASK_FOR_DIGESTS = """
import json, sys
from pathlib import Path
from merflow.jobs.identity import code_digests
before, found = code_digests(), {}
for path in sorted(Path("src/merflow").rglob("*")):
    if path.is_file() and "__pycache__" not in path.parts:
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        found[str(path)] = sorted(step for step, digest in code_digests().items() if digest != before[step])
        path.write_bytes(content)
json.dump(found, sys.stdout)
"""


def copy_of_the_project(place: Path) -> Path:
    """The project's code and stages as a git checkout of their own."""
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (place / ".dvc").mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml"):
        shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    return place


def shrink(checkout: Path) -> None:
    """The smallest release, one variant, one fold, two epochs."""
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text())
    settings = {name: value for entry in stages["vars"] for name, value in entry.items()}
    settings["source"]["size"] = "tiny"
    stages["vars"] = [{**settings, "variants": [VARIANT], "folds": [1]}]
    (checkout / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False))
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["splits"]["protocol"] = "session5-only"
    params["training"]["max_epochs"] = 2
    params["evaluation"]["bootstrap_samples"] = 200
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))


def repro(checkout: Path) -> list[str]:
    """The stages that ``dvc repro`` ran, in order."""
    from dvc.repo import Repo

    with pytest.MonkeyPatch.context() as environment:
        environment.chdir(checkout)
        environment.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        environment.setenv("PYTHONPATH", str(checkout / "src"))
        environment.setenv("DVC_SITE_CACHE_DIR", str(checkout.parent / "dvc-site"))
        with Repo(str(checkout)) as repo:
            return [stage.addressing for stage in repo.reproduce()]


def shards(store: Path) -> dict[str, int]:
    """Each shard of the store -> when it was written."""
    return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}


def source_deps() -> dict[str, list[Path]]:
    """Stage -> the parts of the source that it depends on."""
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: [Path(dep) for dep in stage["deps"] if str(dep).startswith("src/")] for name, stage in stages.items()}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = copy_of_the_project(tmp_path_factory.mktemp("dvc") / "checkout")
    shrink(checkout)
    assert repro(checkout) == EVERY_STAGE
    return checkout


def test_it_leaves_results_a_report_and_a_lock(reproduced: Path) -> None:
    results = json.loads((reproduced / "runs/dvc/results.json").read_text())
    assert list(results["variants"]) == [VARIANT]
    assert 0 <= results["variants"][VARIANT]["UA"]["pooled"] <= 1
    assert VARIANT in (reproduced / "runs/dvc/report.html").read_text()
    lock = yaml.safe_load((reproduced / "dvc.lock").read_text())
    assert sorted(lock["stages"]) == sorted(EVERY_STAGE)


def test_git_sees_the_lock_and_no_data(reproduced: Path) -> None:
    told = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=reproduced,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    seen = {line[3:] for line in told.splitlines()}
    assert "dvc.lock" in seen
    outputs = {path for path in seen if path.startswith(("data/", "runs/", ".dvc/cache/", ".dvc/tmp/"))}
    assert outputs <= {"runs/dvc/results.json"}


def test_a_second_repro_runs_nothing(reproduced: Path) -> None:
    assert repro(reproduced) == []


def test_an_edited_model_trains_again_and_encodes_nothing(reproduced: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(reproduced, checkout, symlinks=True)
    encoded = shards(checkout / "data/store")
    assert len(encoded) == 1
    with (checkout / "src/merflow/models/context_mmt.py").open("a") as model:
        model.write("\n# One line more.\n")
    assert repro(checkout) == [f"extract@{VARIANT}", f"train@{VARIANT}-1-0", "evaluate"]
    assert shards(checkout / "data/store") == encoded


def test_an_edited_report_only_evaluates_again(reproduced: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(reproduced, checkout, symlinks=True)
    with (checkout / "src/merflow/evaluation/report.css").open("a") as style:
        style.write("\n")
    assert repro(checkout) == ["evaluate"]


@pytest.mark.parametrize("stage", ["extract", "transcribe"])
@pytest.mark.parametrize(("ends", "done"), [(0, True), (3, True), (1, False), (2, False)])
def test_a_stage_is_done_where_utterances_were_set_aside(stage: str, ends: int, done: bool, tmp_path: Path) -> None:
    command = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["cmd"]
    (tmp_path / "merflow").write_text(f"#!/bin/sh\nexit {ends}\n")
    (tmp_path / "merflow").chmod(0o755)
    shell = ["/bin/sh", "-c", re.sub(r"\$\{[^}]*\}", "x", command)]
    assert (subprocess.run(shell, env={"PATH": str(tmp_path)}).returncode == 0) == done


def test_stages_depend_on_exactly_the_code_of_their_step(tmp_path: Path) -> None:
    checkout = copy_of_the_project(tmp_path / "checkout")
    told = subprocess.run(
        [sys.executable, "-c", _ASK_FOR_DIGESTS],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # Planning is a step of the pipeline alone: DVC's list of variants is its own plan.
    stale = {path: [step for step in found if step != "plan"] for path, found in json.loads(told).items()}
    assert len(stale) > 50
    deps = source_deps()
    steps = sorted(deps.keys() - {"synthesize"})
    assert steps == sorted({step for found in stale.values() for step in found})
    for path, found in stale.items():
        watching = [step for step in steps if any(dep in (Path(path), *Path(path).parents) for dep in deps[step])]
        assert watching == found, path


def test_every_section_of_the_parameters_that_decides_a_result_is_watched() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    watched = {name for stage in stages.values() for name in stage.get("params", ())}
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    assert stages["train"]["matrix"]["seed"] == "${plan.seeds}"
    assert watched == sections - {"tracking", "plan"}
