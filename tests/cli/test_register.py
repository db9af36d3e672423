"""The life of a model on the command line: registered, promoted, challenged, forced, rolled back, audited."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.contracts.model_package import CARD_HTML, CARD_MD, read_package
from merflow.contracts.params import Params
from merflow.contracts.stress_results import read_stress
from merflow.promotion.gate.gate import policy_of
from tests.cli.command import merflow, refused
from tests.promotion.packaging.benchmarks import finish_benchmark

VARIANTS = ("context-mmt:mmt-frozen", "context-mmt:bert-fc-frozen")


@pytest.fixture(scope="module")
def benchmark(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of two variants on two folds, tracked in SQLite."""
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.34}
    changed = params.model_copy(
        update={
            "splits": params.splits.model_copy(update=drawn),
            "training": params.training.model_copy(update={"device": "cpu"}),
            "tracking": params.tracking.model_copy(update={"system_metrics_every_s": 0.0}),
        }
    )
    out = tmp_path_factory.mktemp("benchmark")
    return finish_benchmark(tiny_release, out, variants=VARIANTS, params=changed, tracked=True)


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a policy that asks little of a model, and nothing of the machine, but still asks for a better one."""
    policy: dict[str, Any] = policy_of().model_dump(mode="json")
    policy["accuracy"] |= {"min_dialogues": 5}
    policy["calibration"] |= {"max_ece": 1.0, "level": 0.000001}
    policy["stress"] |= {"max_failed_conditions": 1.0, "max_failed_groups": 1.0}
    policy["costs"] |= {"max_latency_p95_ms": 1e9, "latency_growth": 1e3, "resident_growth": 1e3, "size_growth": 1e3}
    policy["package"] |= {"validation_required": False, "new_inputs": "allow"}
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    return path


def registry(command: str, *arguments: str, exits: int = 0) -> Any:  # noqa: ANN401 - JSON
    done = CliRunner().invoke(app, ["registry", command, *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == exits, done.output
    return json.loads(done.stdout)


def register(run: Path, variant: str, *more: str) -> Any:  # noqa: ANN401 - JSON
    return registry("register", str(run), variant, "--stress-utterances", "8", "--device", "cpu", *more)


def aliases(run: Path) -> dict[str, int]:
    listed = registry("list", "--folder", str(run))
    return {alias: version["version"] for version in listed for alias in version["aliases"]}


def test_a_model_goes_from_a_benchmark_to_champion_and_back(
    benchmark: Path, lenient: Path, tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, policy = ("--folder", str(benchmark)), ("--policy", str(lenient))
    first = register(benchmark, VARIANTS[0])
    assert (first["version"], first["new"], first["kind"]) == (1, True, "refit")
    package = Path(first["package"])
    assert read_stress(package).utterances == 8
    assert all((package / name).is_file() for name in (CARD_MD, CARD_HTML))
    assert aliases(benchmark) == {"candidate": 1}

    again = register(benchmark, VARIANTS[0])
    assert (again["version"], again["new"]) == (1, False), "the very same package is not a new version"

    # A model of so little data is hardly above chance, so that it is promoted in mode warn.
    done = registry("promote", *folder, *policy, "--mode", "warn")
    assert done["status"] == "promoted"
    assert aliases(benchmark) == {"champion": 1}

    second = register(benchmark, VARIANTS[0], "--kind", "ensemble")
    assert len(read_package(Path(second["package"])).members) == 2
    challenged = registry("promote", *folder, *policy, exits=2)
    assert challenged["status"] == "refused"
    assert any(sentence.startswith("accuracy: ") for sentence in challenged["sentences"])
    assert aliases(benchmark) == {"champion": 1, "candidate": 2}

    registry("promote", *folder, *policy, "--force", "--reason", "The members vote, which reviewers asked for.")
    assert aliases(benchmark) == {"champion": 2, "previous": 1}
    registry("rollback", *folder, "--reason", "It answers twice as slowly.")
    assert aliases(benchmark)["champion"] == 1

    # The benchmark's folder stands for its champion.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recording = next(path for path in sorted(tiny_release.rglob("*.wav")) if not path.name.startswith("."))
    said = merflow("predict", recording, "--model", benchmark, "--text", "hello", "--device", "cpu", "--json")
    assert said.code == 0, said
    champion = json.loads(said.out)["model"]
    assert (champion["name"], champion["version"], champion["calibrated"]) == ("merflow", "1", True)
    assert "version 1 of 'merflow' (champion): context-mmt:mmt-frozen, refitted" in champion["title"]

    audited = registry("audit", *folder)
    actions = [entry["action"] for entry in audited["entries"]]
    assert [each for each in actions if each != "finish"] == [
        *("register", "promote", "register", "decide", "promote", "rollback")
    ]
    assert actions.count("finish") == 5, "every move of an alias is finished"
    assert audited["problems"] == []


def test_best_is_the_variant_with_the_highest_ua(benchmark: Path) -> None:
    best = json.loads((benchmark / "results.json").read_text())["variants"]
    highest = max(best, key=lambda name: best[name]["ua"]["pooled"])
    assert register(benchmark, "best", "--name", "another", "--kind", "ensemble")["variant"] == highest


def test_bad_input_is_refused_with_a_remedy(benchmark: Path, tmp_path: Path) -> None:
    assert "did you mean 'context-mmt:mmt-frozen'" in refused(
        "registry", "register", benchmark, "context-mmt:mmt-frozn"
    )
    (tmp_path / "exception.yaml").write_text("use: workplace\nground: money\nreason: short\nby: me\n")
    said = refused(
        "registry", "register", benchmark, VARIANTS[0], "--exception", tmp_path / "exception.yaml", "--device", "cpu"
    )
    assert "2 problem(s)" in said
    assert "ground" in said
    uri = f"sqlite:///{benchmark / 'mlflow.db'}"
    assert "is not finished" in refused("registry", "register", tmp_path, "best", "--tracking-uri", uri)
