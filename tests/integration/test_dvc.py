"""Tests that the DVC stages run the benchmark, run nothing twice, and notice exactly the code a step depends on."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.runs.code_closure import ENTRIES
from tests.cli.command import merflow
from tools.dvc_deps import with_code

pytest.importorskip("dvc")

ROOT = Path(__file__).parents[2]
VARIANT = "context-mmt:bert-fc-frozen"
OTHER = "mfdr:full"
EVERY_STAGE = [
    *("synthesize", "index", "validate", "split", "presets", f"extract@{VARIANT}", f"extract@{OTHER}"),
    *("classics", f"train@{VARIANT}-1-0", f"train@{OTHER}-1-0", "evaluate", "plots"),
]


def copy_of_the_project(place: Path) -> Path:
    """Return the project's code and stages in a separate git checkout."""
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".dvc/plots", place / ".dvc/plots")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml"):
        shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    git(place, "init", "--quiet")
    git(place, "config", "user.name", "Someone")
    git(place, "config", "user.email", "someone@example.org")
    return place


def git(checkout: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=checkout, check=True, capture_output=True, text=True)
    return done.stdout


def shrink(checkout: Path) -> None:
    """Shrink the stages to the smallest release, two variants of two models, one fold and one epoch."""
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text())
    settings = {name: value for entry in stages["vars"] for name, value in entry.items()}
    settings["release"]["size"] = "tiny"
    stages["vars"] = [{**settings, "variants": [VARIANT, OTHER], "folds": [1]}]
    (checkout / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False))
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["splits"]["protocol"] = "session5-only"
    params["training"]["max_epochs"] = 1
    params["evaluation"]["bootstrap_samples"] = 200
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))


@contextmanager
def opened(checkout: Path) -> Iterator[Any]:
    """Open the checkout in DVC, with the checkout's own code behind the commands of the stages."""
    from dvc.repo import Repo

    with pytest.MonkeyPatch.context() as environment:
        environment.chdir(checkout)
        environment.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        environment.setenv("PYTHONPATH", str(checkout / "src"))
        environment.setenv("DVC_SITE_CACHE_DIR", str(checkout.parent / "dvc-site"))
        with Repo(str(checkout)) as repo:
            yield repo


def repro(checkout: Path, **options: Any) -> list[str]:  # noqa: ANN401 - any of DVC's
    """Return the stages that ``dvc repro`` ran, in order."""
    with opened(checkout) as repo:
        return [stage.addressing for stage in repo.reproduce(**options)]


def edited(reproduced: Path, place: Path, *, file: str, old: str, new: str) -> Path:
    """Return a copy of the reproduced checkout with one text replaced in one file."""
    shutil.copytree(reproduced, place, symlinks=True)
    before = (place / file).read_text()
    assert old in before
    (place / file).write_text(before.replace(old, new))
    return place


def shards(store: Path) -> dict[str, int]:
    """Return the modification time of each shard of the store."""
    return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in store.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = copy_of_the_project(tmp_path_factory.mktemp("dvc") / "checkout")
    shrink(checkout)
    assert repro(checkout) == EVERY_STAGE
    return checkout


def test_it_leaves_results_a_report_and_a_lock(reproduced: Path) -> None:
    results = json.loads((reproduced / "runs/dvc/results.json").read_text())
    assert sorted(results["variants"]) == [VARIANT, OTHER]
    assert 0 <= results["variants"][VARIANT]["ua"]["pooled"] <= 1
    assert VARIANT in (reproduced / "runs/dvc/report.html").read_text()
    lock = yaml.safe_load((reproduced / "dvc.lock").read_text())
    assert sorted(lock["stages"]) == sorted(EVERY_STAGE)


def test_git_sees_the_lock_and_no_data(reproduced: Path) -> None:
    told = git(reproduced, "status", "--porcelain", "--untracked-files=all")
    seen = {line[3:] for line in told.splitlines()}
    assert "dvc.lock" in seen
    outputs = {path for path in seen if path.startswith(("data/", "runs/", ".dvc/cache/", ".dvc/tmp/"))}
    assert outputs <= {"runs/dvc/results.json", "runs/dvc/metrics.json"}


def test_a_second_repro_runs_nothing(reproduced: Path) -> None:
    assert repro(reproduced) == []


def test_an_edited_model_trains_alone_and_extracts_nothing(reproduced: Path, tmp_path: Path) -> None:
    checkout = edited(
        reproduced, tmp_path / "checkout", file="src/merflow/models/mfdr.py", old='"""Multiple', new='"""Several'
    )
    encoded = shards(checkout / "data/store")
    assert len(encoded) == 3
    assert repro(checkout) == ["presets", f"train@{OTHER}-1-0", "evaluate", "plots"]
    assert shards(checkout / "data/store") == encoded


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("src/merflow/models/layers.py", '"""', '""" ', {f"train@{VARIANT}-1-0", f"train@{OTHER}-1-0", "presets"}),
        ("src/merflow/models/__init__.py", '"""The', '"""Our', {"presets"}),
        ("src/merflow/presets/mfdr.yaml", "# The rows", "# Rows", {"presets", "evaluate"}),
        ("params.yaml", "max_epochs: 1", "max_epochs: 2", {f"train@{VARIANT}-1-0", f"train@{OTHER}-1-0"}),
        ("params.yaml", "calibration_bins: 15", "calibration_bins: 10", {"evaluate"}),
        ("params.yaml", "shard_utterances: 128", "shard_utterances: 64", {f"extract@{VARIANT}", f"extract@{OTHER}"}),
    ],
)
def test_an_edit_makes_dependent_stages_stale(
    reproduced: Path, tmp_path: Path, file: str, old: str, new: str, stale: set[str]
) -> None:
    checkout = edited(reproduced, tmp_path / "checkout", file=file, old=old, new=new)
    with opened(checkout) as repo:
        assert set(repo.status()) == stale


def test_a_presets_files_change_with_their_content(reproduced: Path, tmp_path: Path) -> None:
    """A changed learning rate changes what training depends on, and nothing that extraction depends on."""
    checkout = edited(
        reproduced, tmp_path / "checkout", file="src/merflow/presets/mfdr.yaml", old="lr: 0.0005", new="lr: 0.0004"
    )
    assert repro(checkout, targets=["presets"]) == ["presets"]
    with opened(checkout) as repo:
        stale = set(repo.status())
    assert stale == {f"train@{OTHER}-1-0", "evaluate"}


def test_the_plots_and_figures_are_those_of_the_results(reproduced: Path) -> None:
    results = json.loads((reproduced / "runs/dvc/results.json").read_text())
    with opened(reproduced) as repo:
        metrics = repo.metrics.show()[""]["data"]
        plots = repo.plots.show()["workspace"]
    figures = metrics["runs/dvc/metrics.json"]["data"]
    assert {name: entry["UA"] for name, entry in figures.items()} == {
        name: entry["ua"]["pooled"] for name, entry in results["variants"].items()
    }
    drawn = plots["sources"]["data"]
    assert len(drawn) == 6
    assert all("error" not in source for source in drawn.values())
    confusion = drawn[f"runs/dvc/plots/confusion/{OTHER}.csv"]["data"]
    assert len(confusion) == results["utterances"]
    learned = drawn[f"runs/dvc/plots/learning/{OTHER}.csv"]["data"]
    assert [(row["fold"], row["seed"], row["epoch"]) for row in learned] == [("1", "0", "1")]


def test_figures_of_a_commit_can_be_compared(reproduced: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(reproduced, checkout, symlinks=True)
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "first")
    figures = checkout / "runs/dvc/metrics.json"
    figures.write_text(json.dumps({VARIANT: {"UA": 1.0}}))
    with opened(checkout) as repo:
        found = repo.metrics.diff(a_rev="HEAD")
        assert "errors" not in found
        assert found["diff"]["runs/dvc/metrics.json"][f"{VARIANT}.UA"]["new"] == 1.0
        assert 0 <= found["diff"]["runs/dvc/metrics.json"][f"{VARIANT}.UA"]["old"] < 1
        assert repo.params.diff(a_rev="HEAD") == {}


def test_a_fresh_clone_pulls_the_same_splits_from_s3_and_no_recording_travels(
    reproduced: Path, tmp_path: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "somebody")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    shutil.copytree(reproduced, origin, symlinks=True)
    with opened(origin) as repo:
        with repo.config.edit() as config:
            config["remote"]["lab"] = {"url": "s3://corpora/dvc", "endpointurl": s3}
            config["core"]["remote"] = "lab"
        git(origin, "add", "--all")
        git(origin, "commit", "--quiet", "--message", "first")
        assert merflow("data", "push").code == 0
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    with opened(clone):
        said = merflow("data", "pull")
    splits = read_splits(origin / "data/splits.parquet")
    assert said.code == 0
    assert f"splits {splits.split_id} (data/splits.parquet)" in said.err
    assert read_splits(clone / "data/splits.parquet").split_id == splits.split_id
    assert read_manifest(clone / "data/validation/manifest.parquet").hash == splits.manifest_hash
    assert not (clone / "data/features").exists()
    with opened(origin) as repo:
        repo.push()  # all that DVC itself would push
    client = boto3.client("s3", endpoint_url=s3)
    names = [each["Key"] for each in client.list_objects_v2(Bucket="corpora", Prefix="dvc/")["Contents"]]
    beginnings = [client.get_object(Bucket="corpora", Key=name)["Body"].read(12) for name in names]
    assert len(beginnings) > 20
    assert not [start for start in beginnings if start.startswith((b"RIFF", b"fLaC")) or b"ftyp" in start]


def test_an_edited_report_only_evaluates_again(reproduced: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(reproduced, checkout, symlinks=True)
    with (checkout / "src/merflow/evaluation/report/report.css").open("a") as style:
        style.write("\n")
    assert repro(checkout) == ["evaluate"]  # the same figures, so the same plots


@pytest.mark.parametrize("stage", ["extract", "transcribe"])
@pytest.mark.parametrize(("ends", "done"), [(0, True), (3, True), (1, False), (2, False)])
def test_a_stage_is_done_where_utterances_were_set_aside(stage: str, ends: int, done: bool, tmp_path: Path) -> None:
    command = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["cmd"]
    (tmp_path / "merflow").write_text(f"#!/bin/sh\nexit {ends}\n")
    (tmp_path / "merflow").chmod(0o755)
    shell = ["/bin/sh", "-c", re.sub(r"\$\{[^}]*\}", "x", command)]
    assert (subprocess.run(shell, env={"PATH": str(tmp_path)}).returncode == 0) == done


def test_stages_depend_on_exactly_the_code_of_their_step() -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert with_code(text) == text, "run `make dvc` and commit dvc.yaml"
    stages = yaml.safe_load(text)["stages"]
    of_pipelines = {"list_folds", "track", "study", "package", "register", "gate", "promote"}
    of_pipelines |= {"monitor", "act_on_drift"}
    assert stages.keys() == ENTRIES.keys() - of_pipelines, "steps of pipelines alone"
    for name, stage in stages.items():
        assert [dep for dep in stage["deps"] if dep.startswith("src/merflow/")], name


def test_code_is_added_and_removed_and_nothing_else_changes() -> None:
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    without = "\n".join(line for line in text.split("\n") if not line.startswith("      - src/merflow/"))
    assert with_code(without) == text
    assert with_code(text.replace("jobs/split.py", "jobs/removed.py")) == text


def test_every_section_of_the_parameters_that_decides_a_result_is_watched() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    watched = {name for stage in stages.values() for name in stage.get("params", ())}
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    assert stages["train"]["matrix"]["seed"] == "${plan.seeds}"
    # Nothing is tuned by DVC, and where a run is tracked and what pods ask for decide no result.
    # The classics read one setting of the features.
    assert watched == sections - {"tracking", "plan", "tuning", "cluster"} | {"features.transcripts"}
