"""Tests of the pipeline ``tune`` on this machine: two workers, one study; ``benchmark`` then trains its preset."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import merflow

pytest.importorskip("kfp")
pytest.importorskip("great_expectations")

VARIANT, TUNED = "context-mmt:bert-fc-frozen", "context-mmt:searched"


def test_workers_share_a_study_and_its_preset_trains_in_fresh_processes(tiny_release: Path, tmp_path: Path) -> None:
    common = ["--corpus", "iemocap", "--root", tiny_release, "--protocol", "session5-only"]
    common += ["--set", "training.max_epochs=2", "--set", "tracking.uri=none"]
    tuning = ["--set", "tuning.trials=4", "--set", "tuning.workers=2", "--set", "tuning.folds=[1]"]
    tuning += ["--name", "searched", "--seed", "7"]
    tuned = merflow("pipeline", "run", "tune", "--models", VARIANT, "--out", tmp_path / "tune", *common, *tuning)
    assert tuned.code == 0, tuned.err
    assert re.search(r"total +\d+:\d\d +11 ran\n", tuned.out)
    assert f"the best trial is now preset {TUNED}\n" in tuned.err
    found = json.loads((tmp_path / "tune/study.json").read_text())
    assert found["preset"] == TUNED
    assert found["subject"]["seed"] == 7
    assert sum(found["trials"].values()) == 4
    assert (tmp_path / "tune/study.html").is_file()
    said = (tmp_path / "tune/kfp").rglob("run-trials/executor_output.json")
    tried = [json.loads(json.loads(path.read_text())["parameterValues"]["Output"]) for path in said]
    assert sorted(each["worker"] for each in tried) == [0, 1]
    assert sum(each["trials"] for each in tried) == 4
    again = merflow("pipeline", "run", "tune", "--models", VARIANT, "--out", tmp_path / "tune", *common, *tuning)
    assert re.search(r"total +\d+:\d\d +3 ran, 8 cached\n", again.out), "fingerprint, plan and choice are never cached"

    presets = ["--presets", tmp_path / "tune/presets.yaml"]
    models = f"{VARIANT},{TUNED}"
    presets += ["--set", "classics.audio=false", "--set", "classics.opensmile=off"]
    done = merflow("pipeline", "run", "benchmark", "--models", models, "--out", tmp_path / "tune", *common, *presets)
    assert done.code == 0, done.err
    assert re.search(r"total +\d+:\d\d +9 ran, 4 cached\n", done.out), "the data are prepared already"
    results = json.loads((tmp_path / "tune/results.json").read_text())
    assert set(results["variants"]) == {VARIANT, TUNED}
    both = [results["variants"][name]["published"] for name in results["variants"]]
    assert both[0] == both[1] != []
    assert f"{TUNED} from {VARIANT}" in (tmp_path / "tune/report.html").read_text()
