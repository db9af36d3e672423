"""KFP's cache keys before and after a change: it re-runs what it touches, and nothing else."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("kfp")

from merflow.contracts.params_files import shipped_params, with_changes
from merflow.pipelines.packages import COMPILED, SERVERS, compile_packages
from tests.pipelines.cache_keys import ROOT, Run

AUDIO, VIDEO = "foal-net:audio-only", "foal-net:video-only"
PREPARED = {"index", "validate", "transcribe", "split", "extract", "classics", "track", "evaluate"}
AFTER_EXTRACTION = {"extract", "classics", "track", "evaluate"}
PROMOTION: dict[str, object] = {
    "variant": "best",
    "kind": "refit",
    "registered_name": "merflow",
    "mode": "enforce",
    "policy": "",
    "coverage": 0.9,
    "stress_utterances": 400,
    "approval_h": 0.0,
}
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


@pytest.fixture(scope="module")
def promotion(tmp_path_factory: pytest.TempPathFactory, tiny_release: Path, run: Run) -> Run:
    """Return a run that goes on to a promotion, on a release of its own."""
    root = Path(shutil.copytree(tiny_release, tmp_path_factory.mktemp("corpus") / "release"))
    return replace(run, root=root, package=COMPILED / "promote.yaml", promotion=PROMOTION)


@pytest.fixture(scope="module")
def promoted(promotion: Run) -> dict[str, str]:
    """Return the keys of the promotion."""
    return promotion.keys()


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


def test_a_promotion_finds_the_steps_of_a_benchmark(promotion: Run, promoted: dict[str, str]) -> None:
    benchmark = replace(promotion, package=COMPILED / "benchmark.yaml", promotion=None).keys()

    assert benchmark.keys() == PREPARED | FOLDS[AUDIO] | FOLDS[VIDEO]
    assert promoted == benchmark | {"package": promoted["package"]}


@pytest.mark.parametrize(
    ("pipeline", "steps"),
    [
        ("benchmark", {"fingerprint", "plan-benchmark", "list-folds"}),
        ("promote", {"fingerprint", "plan-promotion", "list-folds", "register", "gate", "promote"}),
        ("monitor", {"plan-monitoring", "monitor", "act-on-drift"}),
    ],
)
def test_what_looks_at_files_or_at_the_registry_is_never_cached(run: Run, pipeline: str, steps: set[str]) -> None:
    assert replace(run, package=COMPILED / f"{pipeline}.yaml").uncached() == steps


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"mode": "warn", "registered_name": "another", "approval_h": 2.0}, set()),
        ({"kind": "ensemble"}, {"package"}),
        ({"stress_utterances": 0}, {"package"}),
    ],
)
def test_settings_of_the_package_make_it_again_and_those_of_the_gate_do_not(
    promotion: Run, promoted: dict[str, str], settings: dict[str, object], steps: set[str]
) -> None:
    after = replace(promotion, promotion=PROMOTION | settings).keys()

    assert {step for step in promoted if promoted[step] != after[step]} == steps


@pytest.mark.parametrize(
    ("module", "steps"),
    [
        ("promotion/card/page.py", {"package"}),
        ("training/history.py", {"evaluate", "package"} | FOLDS[AUDIO] | FOLDS[VIDEO]),
        ("promotion/gate/accuracy.py", set()),  # the gate is never cached
    ],
)
def test_an_edited_module_runs_its_steps_of_a_promotion(
    promotion: Run, promoted: dict[str, str], module: str, steps: set[str], tmp_path: Path
) -> None:
    after = replace(promotion, source=edited(tmp_path, module)).keys()

    assert {step for step in promoted if promoted[step] != after[step]} == steps


def test_a_replaced_recording_makes_the_package_again_and_leaves_the_folds_of_the_video_alone(
    promotion: Run, tmp_path: Path
) -> None:
    replaced = replace(promotion, root=Path(shutil.copytree(promotion.root, tmp_path / "release")))
    before = replaced.keys()
    touch(next(iter(sorted(replaced.root.rglob("*.wav")))))
    after = replace(replaced, inputs=(("speech", "replaced"),)).keys()

    assert {step for step in before if before[step] != after[step]} == PREPARED | FOLDS[AUDIO] | {"package"}
