"""The usual protocol of a corpus in a run on a cluster: refusals before it, and the number of folds that it shows."""

import json
from pathlib import Path

import pytest

from merflow.pipelines.lint.package import Package
from merflow.submission.arguments import folds_expected
from tests.cli.command import merflow, refused
from tests.submission.started_runs import VARIANT

MOSEI = ("--corpus", "mosei", "--root", "/workspace/mosei")


@pytest.mark.parametrize(
    ("corpus", "splits", "folds"),
    [
        (None, {}, 5),
        ("iemocap", {}, 5),
        ("mosei", {}, 1),
        ("mosei", {"protocol": "k-fold", "folds": 3}, 3),
        ("table", {}, None),
        ("table", {"protocol": "speaker-10fold"}, 10),
        ("of-a-later-version", {}, None),
        ("of-a-later-version", {"protocol": "speaker-10fold"}, 10),
    ],
)
def test_the_corpus_of_a_run_decides_how_many_folds_are_expected(
    compiled: Path, corpus: str | None, splits: dict[str, object], folds: int | None
) -> None:
    values = {"models": [VARIANT], "params": json.dumps({"splits": splits})}
    values |= {} if corpus is None else {"corpus": corpus}
    assert folds_expected(Package.read(compiled / "benchmark.yaml"), values) == folds


@pytest.mark.usefixtures("profile")
def test_a_protocol_that_does_not_suit_the_corpus_is_not_submitted(compiled: Path) -> None:
    submit = ("pipeline", "submit", compiled / "benchmark.yaml", "--models", VARIANT, "--dry-run", *MOSEI)
    said = refused(*submit, "--set", "splits.protocol=session-5fold")
    assert "protocol 'session-5fold' does not suit corpus 'mosei'; set splits.protocol to official or k-fold" in said
    assert merflow(*submit).code == 0
