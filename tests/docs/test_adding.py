"""The pages on extending merflow, carried out literally in a copy of the repository."""

import json
from pathlib import Path

import pytest

from merflow.corpus.manifest import read_manifest
from tests.docs.emodb import SPEAKERS, write_emodb
from tests.docs.pages import Copy, blocks_of


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy.make(tmp_path / "merflow")


def check(copy: Copy) -> None:
    """Check that the page's code passes the linter and is formatted."""
    copy.run("python -m ruff check --no-cache src components pipelines")
    copy.run("python -m ruff format --no-cache --check src components pipelines")


def test_adding_a_model(copy: Copy) -> None:
    presets, benchmark, contract = copy.follow("adding-a-model.md")
    assert "mean-pool:both" in presets.stdout
    assert "mean-pool:speech" in benchmark.stdout
    results = json.loads((copy.root / "runs/mean-pool/results.json").read_text(encoding="utf-8"))
    assert set(results["variants"]) == {"mean-pool:both", "mean-pool:speech"}
    assert "mean-pool:both" in (copy.root / "runs/mean-pool/report.html").read_text(encoding="utf-8")
    assert "passed" in contract.stdout
    assert "failed" not in contract.stdout
    check(copy)


def test_a_copy_runs_its_own_code(copy: Copy) -> None:
    done = copy.run("python -c 'import merflow; print(merflow.__file__)'")
    assert done.stdout.strip() == str(copy.root / "src/merflow/__init__.py")


def test_adding_a_corpus(copy: Copy) -> None:
    count = write_emodb(copy.root / "emodb")
    index, _, split = copy.follow("adding-a-corpus.md")
    assert f"index: {count} utterances, {4 * len(SPEAKERS)} with an emotion of iemocap4" in index.stderr
    assert "split: speaker-10fold, 10 folds" in split.stderr
    manifest = read_manifest(copy.root / "validation/manifest.parquet")
    assert (manifest.corpus, len(manifest.rows)) == ("emodb", count)
    assert (copy.root / "splits.md").is_file()
    check(copy)


def test_adding_a_step(copy: Copy) -> None:
    pytest.importorskip("kfp")
    copy.follow("adding-a-step.md")
    assert "comp-describe" in (copy.root / "packages/benchmark.yaml").read_text(encoding="utf-8")
    (table,) = (copy.root / "runs/described/kfp").glob("*/describe/table")
    header, _, *rows = table.read_text(encoding="utf-8").splitlines()
    assert header == "| emotion | utterances | speakers |"
    assert [row.split(" | ")[0] for row in rows] == ["| angry", "| happy", "| neutral", "| sad"]
    check(copy)


@pytest.mark.parametrize("page", ["adding-a-model.md", "adding-a-corpus.md", "adding-a-step.md"])
def test_a_page_has_files_patches_and_commands(page: str) -> None:
    blocks = blocks_of(page)
    assert {block.language for block in blocks} >= {"python", "diff", "console"}
    assert all(block.title for block in blocks if block.language in ("python", "diff", "yaml"))
