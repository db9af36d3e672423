"""The shipped gate on trained score models: a better one becomes the champion without force, a worse one does not."""

import json
from pathlib import Path

import pytest

from merflow.corpus.synthetic.mosei_release import synthesize_mosei
from tests.cli.command import merflow

pytest.importorskip("great_expectations")

BETTER, WORSE = "gia-mic:t", "gia-mic:hasty"
# Two epochs at a thousand times the rate: it answers nearly the same number to everything.
HASTY = f"presets:\n  {WORSE}:\n    base: {BETTER}\n    stages: [{{lr: 0.1, max_epochs: 2}}]\n"
SETTINGS = (
    "splits.protocol=k-fold",
    "splits.folds=2",
    "splits.development=random",
    "training.max_epochs=6",
    "training.device=cpu",
    "classics.audio=false",
    "classics.opensmile=off",
    "evaluation.bootstrap_samples=200",
)


def promoted(run: Path, version: int, *options: str, exits: int = 0) -> tuple[str, list[str]]:
    """Promote a version, and return the status and the names of the checks that failed."""
    said = merflow("registry", "promote", version, "--folder", run, *options, "--json")
    assert said.code == exits, said.err
    told = json.loads(said.out)
    return told["status"], [sentence.split(":")[0] for sentence in told["sentences"][1:]]


def test_the_shipped_policy_promotes_a_better_score_model_and_refuses_a_worse_one(tmp_path: Path) -> None:
    release, presets, run = tmp_path / "small", tmp_path / "hasty.yaml", tmp_path / "run"
    synthesize_mosei(release, size="small")
    presets.write_text(HASTY)
    trained = merflow(
        *("benchmark", "--corpus", "synthetic-mosei", "--root", release, "--profile", "lite", "--presets", presets),
        *("--models", f"{BETTER},{WORSE}", "--out", run),
        *(word for setting in SETTINGS for word in ("--set", setting)),
    )
    assert trained.code == 0, trained.err
    for variant, kind in ((WORSE, "ensemble"), ("best", "refit")):
        options = ("--kind", kind, "--stress-utterances", "20", "--device", "cpu")
        said = merflow("registry", "register", run, variant, *options)
        assert said.code == 0, said.err
    assert f"{BETTER} (refit) is version 2" in said.out

    status, failures = promoted(run, 1, exits=2)
    assert status == "refused"
    assert failures == ["better than a constant"]
    assert promoted(run, 1, "--force", "--reason", "An old champion, from before the gate.")[0] == "promoted"

    assert promoted(run, 2) == ("promoted", [])
    status, failures = promoted(run, 1, exits=2)
    assert status == "refused"
    assert "accuracy" in failures
    lines = merflow("registry", "list", "--folder", run).out.splitlines()
    assert [line.split()[:3] for line in lines[1:3]] == [["2", "champion", BETTER], ["1", "previous", WORSE]]
