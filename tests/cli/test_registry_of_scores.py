"""The commands of the registry on models of scores: registered, promoted through the gate, shown and rolled back."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from merflow.contracts.model_package import CARD_MD
from merflow.runs.workspace import Workspace
from tests.cli.command import merflow
from tests.promotion.packaging.benchmarks import VARIANT

NAME = "sentiment"


@pytest.fixture(scope="module")
def registry(rated_benchmark: Path) -> tuple[str, ...]:
    """Return the options that name the registry."""
    return ("--tracking-uri", Workspace(rated_benchmark).tracking_uri, "--name", NAME)


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a policy that decides by MAE on few dialogues, and asks for no stress suite."""
    text = (files("merflow.promotion.gate") / "policy.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("require: superior", "require: non-inferior"),
        ("margin_mae: 0.005", "margin_mae: 1.0"),
        ("min_dialogues: 20", "min_dialogues: 5"),
        ("stress:\n  required: true", "stress:\n  required: false"),
        ("validation_required: true", "validation_required: false"),
        ("latency_growth: 2.0", "latency_growth: null"),
        ("size_growth: 4.0", "size_growth: null"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def champion(rated_benchmark: Path, registry: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Register two versions, make both the champion one after the other, and return the package of the first."""
    folder = tmp_path_factory.mktemp("registered")
    for kind in ("ensemble", "refit"):
        options = ("--kind", kind, "--stress-utterances", "0", "--out", str(folder / kind))
        said = merflow("registry", "register", str(rated_benchmark), "best", *registry, *options, "--device", "cpu")
        assert f"{VARIANT} ({kind}) is version" in said.out
        promoted = merflow("registry", "promote", *registry, "--force", "--reason", "A rehearsal.").out
        assert "is promoted" in promoted
    return folder / "ensemble"


def test_versions_show_their_score(registry: tuple[str, ...], champion: Path) -> None:
    lines = merflow("registry", "list", *registry).out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["2", "champion", VARIANT], ["1", "previous", VARIANT]]
    assert all("sentiment score" in line for line in lines[1:3])
    told = merflow("registry", "show", "champion", *registry).out
    assert "sentiment score, corpus synthetic-mosei" in told
    assert "cv/test_MAE" in told
    assert "cv/interval_width" in told
    assert "Best constant" in (champion / CARD_MD).read_text(encoding="utf-8")
    assert json.loads(merflow("registry", "show", "1", *registry, "--json").out)["version"]["facts"]["task"] == NAME


def test_the_gate_compares_mae(registry: tuple[str, ...], champion: Path, lenient: Path) -> None:
    assert champion.is_dir()
    asked = merflow("registry", "promote", "1", *registry, "--mode", "dry-run", "--policy", str(lenient), "--json")
    told = json.loads(asked.out)
    assert told["status"] == "dry-run"
    (failed,) = told["sentences"][1:]
    assert failed.startswith("better than a constant: MAE is "), "the tiny model learned next to nothing"


def test_a_rollback_and_the_audit(registry: tuple[str, ...], champion: Path, tmp_path: Path) -> None:
    assert champion.is_dir()
    done = merflow("registry", "rollback", *registry, "--reason", "It is too sure of itself.").out
    assert "version 1 of 'sentiment' is the champion again" in done
    audited = merflow("registry", "audit", *registry, "--html", str(tmp_path / "audit.html")).out
    assert "no gap and no change" in audited
    assert "promoted BY FORCE" in audited
    assert "rolled back" in (tmp_path / "audit.html").read_text(encoding="utf-8")
