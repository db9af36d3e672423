"""The KFP pipeline and the plain jobs are one benchmark."""

import json
from pathlib import Path

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
    plain = run("benchmark", *COMMON, "--out", str(tmp_path / "run"))
    assert json.loads((through_kfp / "results.json").read_text()) == plain


def test_a_second_run_reuses_every_step(through_kfp: Path) -> None:
    before = (through_kfp / "results.json").read_bytes()
    (through_kfp / "results.json").unlink()
    run("pipeline", "run", "benchmark", *COMMON, "--out", str(through_kfp))
    log = (through_kfp / "kfp" / "log.txt").read_text()
    assert log.count("Executing task") == 10, "ten steps of the first run, none of the second"
    assert log.count("cache hit") == 10
    assert (through_kfp / "results.json").read_bytes() == before


def test_the_report_names_both_variants(through_kfp: Path) -> None:
    report = (through_kfp / "report.html").read_text()
    for variant in MODELS.split(","):
        assert variant in report
    assert "https://" not in report.replace("https://doi.org", "")


def test_a_failing_step_says_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["pipeline", "run", "benchmark", "--models", "context-mmt:mmt-frozn", "--out", str(tmp_path / "run")],
    )
    assert done.exit_code != 0
    assert "did you mean 'context-mmt:mmt-frozen'" in str(done.exception)
