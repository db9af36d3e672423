"""Tests that the KFP pipeline and the plain jobs are one benchmark."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merflow.cli.app import app

MODELS = "context-mmt:wavlm-fc-frozen,context-mmt:ef-frozen"
COMMON = (
    *("--corpus", "synthetic", "--size", "tiny", "--models", MODELS, "--protocol", "session5-only"),
    *("--set", "training.max_epochs=3", "--set", "evaluation.bootstrap_samples=200", "--json"),
)


def run(*arguments: str) -> dict[str, object]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def through_kfp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kfp") / "run"
    run("pipeline", "run", "benchmark", *COMMON, "--out", str(out))
    return out


def test_kfp_and_plain_jobs_give_the_same_numbers(through_kfp: Path, tmp_path: Path) -> None:
    run("benchmark", *COMMON, "--out", str(tmp_path / "run"))
    assert (through_kfp / "results.json").read_bytes() == (tmp_path / "run/results.json").read_bytes()


def test_a_second_run_plans_again_and_reuses_every_step(through_kfp: Path) -> None:
    before = (through_kfp / "results.json").read_bytes()
    (through_kfp / "results.json").unlink()
    run("pipeline", "run", "benchmark", *COMMON, "--out", str(through_kfp))
    log = (through_kfp / "kfp" / "log.txt").read_text()
    assert log.count("Executing task") == 16, "13 steps of the first run; fingerprint, plan and list of the second"
    assert log.count("cache hit") == 10
    assert (through_kfp / "results.json").read_bytes() == before


def test_the_report_names_both_variants(through_kfp: Path) -> None:
    report = (through_kfp / "report.html").read_text()
    for variant in MODELS.split(","):
        assert variant in report
    assert "https://" not in report.replace("https://doi.org", "")


def artifacts_of(run: Path, step: str) -> list[dict[str, Any]]:
    """Return the artifacts of each execution of a step for KFP's pages, by name."""
    found = []
    for said in sorted(run.glob(f"kfp/**/{step}/executor_output.json")):
        left = {name: entry["artifacts"][0] for name, entry in json.loads(said.read_text())["artifacts"].items()}
        found.append({name: {**entry, "path": said.parent / name} for name, entry in left.items()})
    return found


def test_kfp_shows_what_the_report_shows(through_kfp: Path) -> None:
    results = json.loads((through_kfp / "results.json").read_text())
    best = max(results["variants"], key=lambda name: results["variants"][name]["ua"]["pooled"])
    (evaluated,) = artifacts_of(through_kfp, "evaluate")
    drawn = evaluated["confusion"]["metadata"]
    assert drawn["variant"] == best
    assert [each["displayName"] for each in drawn["confusionMatrix"]["annotationSpecs"]] == results["classes"]
    assert [each["row"] for each in drawn["confusionMatrix"]["rows"]] == results["variants"][best]["confusion"]
    shown = evaluated["metrics"]["metadata"]
    assert shown[f"{best} UA"] == round(results["variants"][best]["ua"]["pooled"], 4)
    assert shown.keys() == {f"{name} {figure}" for name in MODELS.split(",") for figure in ("UA", "WA", "macro F1")}
    tables = evaluated["tables"]["path"].read_text()
    link, _, results_by_variant = tables.partition("\n\n")
    assert link.startswith("MLflow: ")
    assert results_by_variant.startswith("## Results by variant")
    assert f"| {best} | {100 * results['variants'][best]['ua']['pooled']:.1f} |" in tables

    trained = artifacts_of(through_kfp, "train")
    assert len(trained) == 2
    for fold, name in zip(trained, MODELS.split(","), strict=True):
        assert fold["summary"]["path"].read_text().startswith(f"# {name}, fold 1\n")
        assert fold["metrics"]["metadata"].keys() == {"best_epoch", "dev_ua", "dev_loss"}


def test_files_of_a_pipeline_have_their_names_in_mlflow(through_kfp: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{through_kfp}/mlflow.db")
    (run,) = client.search_runs(
        [client.get_experiment_by_name("merflow").experiment_id], "tags.merflow.kind = 'benchmark'"
    )
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {
        "report.html",
        "results.json",
        "tables.md",
        "tables.tex",
    }


def test_a_failing_step_says_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["pipeline", "run", "benchmark", "--models", "context-mmt:mmt-frozn", "--out", str(tmp_path / "run")],
    )
    assert done.exit_code != 0
    assert "did you mean 'context-mmt:mmt-frozen'" in str(done.exception)


def test_a_changed_parameter_of_the_evaluation_trains_nothing(through_kfp: Path) -> None:
    log, results = through_kfp / "kfp/log.txt", (through_kfp / "results.json").read_bytes()
    earlier = len(log.read_text())
    run("pipeline", "run", "benchmark", *COMMON, "--set", "evaluation.calibration_bins=10", "--out", str(through_kfp))
    executed = re.findall(r"Executing task \S*'([\w-]+)'", log.read_text()[earlier:])
    assert executed == ["fingerprint", "plan-benchmark", "list-folds", "evaluate"]
    assert (through_kfp / "results.json").read_bytes() != results


def test_one_more_variant_trains_one_variant(through_kfp: Path) -> None:
    log = through_kfp / "kfp/log.txt"
    earlier = len(log.read_text())
    more = ("--models", f"{MODELS},context-mmt:bert-fc-frozen")
    run("pipeline", "run", "benchmark", *COMMON, *more, "--out", str(through_kfp))
    lines = log.read_text()[earlier:]
    assert len(re.findall(r"Executing task \S*'train'", lines)) == 1
    assert len(re.findall(r"Task \S*train\S* cache hit", lines)) == 2
    assert len(json.loads((through_kfp / "results.json").read_text())["variants"]) == 3
    trained = [path for path in (through_kfp / "folds").iterdir() if path.is_dir()]
    assert len(trained) == 3, "one folder per fold, under its fingerprint"
