"""``--task`` on the command line, from a manifest to splits and from a corpus to a study."""

import json
from pathlib import Path

import pytest
import yaml

from merflow.contracts.study import read_study_results
from merflow.corpus.splitting.splits import read_splits
from tests.cli.command import merflow, refused

VARIANT = "context-mmt:bert-fc-frozen"


@pytest.fixture(scope="module")
def manifest(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("indexed") / "manifest.parquet"
    assert merflow("data", "index", "--corpus", "iemocap", "--root", tiny_release, "--out", out).code == 0
    return out


def test_a_manifest_is_split_by_a_score(manifest: Path, tmp_path: Path) -> None:
    options = ("--protocol", "session5-only", "--development", "session")
    said = merflow("data", "split", manifest, "--task", "valence", *options, "--out", tmp_path / "valence.parquet")
    assert said.code == 0, said.err
    assert "1 fold of valence" in said.err
    assert merflow("data", "split", manifest, *options, "--out", tmp_path / "usual.parquet").code == 0
    of_score, usual = (read_splits(tmp_path / f"{name}.parquet") for name in ("valence", "usual"))
    assert (of_score.params.task, usual.params.task) == ("valence", "emotion")
    assert of_score.split_id != usual.split_id
    assert len(of_score.rows) > len(usual.rows), "utterances without a class have scores"


def test_a_task_that_the_corpus_lacks_names_those_that_it_has(manifest: Path, tmp_path: Path) -> None:
    said = refused("data", "split", manifest, "--task", "sentiment", "--out", tmp_path / "splits.parquet")
    assert "--task emotion or valence or activation or dominance" in said
    assert "'valens' is not one of" in refused("data", "split", manifest, "--task", "valens", "--out", tmp_path / "x")


def test_a_study_of_a_score_maximizes_the_development_ccc(tiny_release: Path, tmp_path: Path) -> None:
    said = merflow(
        *("tune", VARIANT, "--corpus", "iemocap", "--root", tiny_release, "--out", tmp_path, "--task", "valence"),
        *("--protocol", "session5-only", "--development", "session", "--trials", "2", "--workers", "1", "--folds", "1"),
        *("--set", "training.max_epochs=2", "--set", "tracking.uri=none", "--json"),
    )
    assert said.code == 0, said.err
    study = read_study_results(tmp_path / "study.json")
    assert json.loads(said.out) == study.model_dump(mode="json")
    assert study.subject.figure == "CCC"
    assert study.trials == {"complete": 2}
    assert max(trial.figure for trial in study.ranked) == study.best.figure
    (entry,) = yaml.safe_load((tmp_path / "presets.yaml").read_text())["presets"].values()
    assert entry["tuned"]["dev_CCC"] >= entry["tuned"]["dev_CCC_of_base"]
    assert read_splits(tmp_path / "splits.parquet").params.task == "valence"
