"""KFP's cache keys before and after a change: it re-runs what it touches, and nothing else."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("kfp")

from merflow.contracts.params import shipped_params, with_changes
from merflow.pipelines.packages import COMPILED, SERVERS, compile_packages
from tests.pipelines.cache_keys import ROOT, Run

AUDIO, VIDEO = "foal-net:audio-only", "foal-net:video-only"
PREPARED = {"index", "validate", "transcribe", "split", "extract", "classics", "track", "evaluate"}
AFTER_EXTRACTION = {"extract", "classics", "track", "evaluate"}
FOLDS = {name: {f"{name.replace(':', '-')}-fold-{fold}" for fold in range(1, 6)} for name in (AUDIO, VIDEO)}


def changed(before: Run, after: Run) -> set[str]:
    """Return the steps of the first run that the second does not find in the cache."""
    first, second = before.keys(), after.keys()
    assert len(first) > len(PREPARED)
    assert first.keys() <= second.keys()
    return {step for step in first if first[step] != second[step]}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_release: Path, encoder: Path) -> Run:
    """Return a run of two variants on a copy of the release, with local encoders and a local recognizer."""
    root = tmp_path_factory.mktemp("corpus") / "release"
    shutil.copytree(tiny_release, root)
    params = {"features": {"encoders_folder": str(encoder)}, "transcription": {"model": str(encoder)}}
    return Run(
        workspace=tmp_path_factory.mktemp("workspace"),
        models=(AUDIO, VIDEO),
        root=root,
        params=json.dumps(params),
        transcribe=False,
        inputs=(),
        source=ROOT / "src",
        package=COMPILED / "benchmark.yaml",
    )


def edited(tmp_path: Path, module: str) -> Path:
    """Return a copy of merflow's code in which one module has a further line."""
    shutil.copytree(ROOT / "src/merflow", tmp_path / "merflow", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "merflow" / module
    path.write_text(path.read_text() + "\n# edited\n")
    return tmp_path


def touch(path: Path) -> None:
    """Replace a file by another of the same size."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 10))


def test_the_same_run_again_finds_every_step(run: Run) -> None:
    assert changed(run, run) == set()


def test_one_more_variant_leaves_the_folds_of_the_others_alone(run: Run) -> None:
    assert changed(replace(run, models=(AUDIO,)), run) == AFTER_EXTRACTION


def test_a_replaced_recording_under_an_old_path_runs_what_reads_it_again(run: Run) -> None:
    before = run.keys()
    touch(next(iter(sorted(run.root.rglob("*.wav")))))
    after = replace(run, inputs=(("speech", "replaced"),)).keys()
    assert {step for step in before if before[step] != after[step]} == PREPARED | FOLDS[AUDIO], "no fold of the video"


def test_replaced_encoders_run_extraction_again_and_what_follows(run: Run, encoder: Path) -> None:
    before = run.keys()
    touch(encoder / "config.json")
    after = run.keys()
    assert {step for step in before if before[step] != after[step]} == AFTER_EXTRACTION


def test_a_replaced_recognizer_counts_where_recordings_are_transcribed(run: Run, encoder: Path) -> None:
    run = replace(run, transcribe=True, params=json.dumps({"transcription": {"model": str(encoder)}}))
    before = run.keys()
    touch(encoder / "config.json")
    after = run.keys()
    assert {step for step in before if before[step] != after[step]} == PREPARED - {"index", "validate"}


@pytest.mark.parametrize(
    ("module", "steps"),
    [
        ("evaluation/report/page.py", {"evaluate"}),
        ("corpus/splitting/baselines.py", {"evaluate"}),
        ("training/history.py", {"evaluate"} | FOLDS[AUDIO] | FOLDS[VIDEO]),
        ("classics/folds.py", {"classics", "evaluate"}),
        ("tracking/fold_run.py", {"track", "evaluate"}),
    ],
)
def test_an_edited_module_in_a_tag_that_was_pushed_again_runs_its_steps(
    run: Run, module: str, steps: set[str], tmp_path: Path
) -> None:
    assert changed(run, replace(run, source=edited(tmp_path, module))) == steps


def test_by_digest_another_image_runs_every_step_and_finds_the_trained_folds(run: Run, tmp_path: Path) -> None:
    image = f"registry.example/merflow/python@sha256:{'0' * 64}"
    params = with_changes(shipped_params(), str(SERVERS | {"cluster": {"image": image}}))
    (package,) = compile_packages(tmp_path, params=params, names=["benchmark"])
    assert changed(run, replace(run, package=package)) == PREPARED | FOLDS[AUDIO] | FOLDS[VIDEO]
    names = {path.name for path in run.workspace.glob("requests/*/*")}
    replace(run, package=package).keys()
    assert {path.name for path in run.workspace.glob("requests/*/*")} == names, "their requests are the same"
