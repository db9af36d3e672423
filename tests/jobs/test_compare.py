"""Finished runs side by side, from the job and from the command line."""

import json
import shutil
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.source import CorpusSource
from merflow.errors import EvaluationError, OutputError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.compare import compare
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.runs.finished_runs import read_runs
from merflow.runs.fold_folder import RECORD, read_record
from tests.cli.command import merflow, refused

TEXT, SPEECH = "context-mmt:bert-fc-frozen", "context-mmt:wavlm-fc-frozen"


@pytest.fixture(scope="module")
def runs(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``first``: a benchmark of two variants. ``second``: one of them, trained for one epoch."""
    root = tmp_path_factory.mktemp("runs")
    settings = params.model_copy(update={"tracking": params.tracking.model_copy(update={"uri": "none"})})
    source = CorpusSource("synthetic", tiny_release)
    benchmark(source, variants=[TEXT, SPEECH], out=root / "first", params=settings, name="first", command="", workers=1)
    trained(root / "first", TEXT, params, out=root / "second/folds/context-mmt/bert-fc-frozen/fold-1", max_epochs=1)
    shutil.copy(root / "first/manifest.parquet", root / "second/manifest.parquet")
    return root


def trained(run: Path, item: str, params: Params, *, out: Path, splits: Path | None = None, **changes: object) -> Path:
    """Train a fold on the features of a run."""
    return train(
        item if item[-1].isdigit() else f"{item}:1",
        manifest=run / "manifest.parquet",
        splits=splits or run / "splits.parquet",
        features=run / "features.json",
        out=out,
        checkpoints=out.parent / "checkpoints",
        params=params.training.model_copy(update={"max_epochs": 2} | changes),
    )


def test_one_run_is_compared_as_its_results_say(runs: Path, params: Params) -> None:
    found = compare([runs / "first"], params=params.evaluation)
    results = read_results(runs / "first/results.json")

    assert found.comparisons == results.comparisons
    assert found.power == results.power
    for name in ("corpus", "manifest_hash", "split_id", "protocol", "utterances", "dialogues", "resamples"):
        assert getattr(found, name) == getattr(results, name)
    for name, variant in found.variants.items():
        assert variant.ua == results.variants[name].ua
        assert variant.selection == results.variants[name].training.selection


def test_a_variant_of_two_runs_has_the_names_of_its_runs(runs: Path, params: Params, tmp_path: Path) -> None:
    out = tmp_path / "comparison.json"
    found = compare([runs / "first", runs / "second"], params=params.evaluation, out=out)

    assert found.variants.keys() == {f"first/{TEXT}", f"second/{TEXT}", SPEECH}
    assert {(pair.a, pair.b) for pair in found.comparisons} <= {
        (a, b) for a in found.variants for b in found.variants if a != b
    }
    assert len(found.comparisons) == 3
    assert found.variants[f"second/{TEXT}"].run == str(runs / "second")
    written = json.loads(out.read_text())
    assert {name: value for name, value in written.items() if name in found.as_json()} == found.as_json()
    alone = compare([runs / "first"], params=params.evaluation)
    assert found.variants[f"first/{TEXT}"] == alone.variants[TEXT].model_copy(update={"run": str(runs / "first")})


def test_folders_of_folds_are_runs_too(runs: Path, params: Params) -> None:
    folds = [runs / f"{run}/folds/context-mmt/bert-fc-frozen/fold-1" for run in ("first", "second")]
    found = compare(folds, params=params.evaluation)
    assert found.variants.keys() == {f"first/{TEXT}", f"second/{TEXT}"}
    assert found.comparisons != ()


def test_what_tracking_and_a_reused_step_copied_counts_once(runs: Path, params: Params, tmp_path: Path) -> None:
    run = tmp_path / "first"
    shutil.copytree(runs / "first", run)
    fold = run / "folds/context-mmt/bert-fc-frozen/fold-1"
    (run / "mlartifacts/0123" / RECORD).parent.mkdir(parents=True)
    (run / "mlartifacts/0123" / RECORD).write_text("{}")
    shutil.copytree(fold, run / "kfp/again/fold")
    (run / "kfp/again/fold" / RECORD).touch()
    (found,) = read_runs([run])
    assert sorted(fold.record.variant for fold in found.folds) == [TEXT, SPEECH]
    assert compare([run], params=params.evaluation).utterances > 0

    assert run / "kfp/again/fold" in [each.folder for each in found.folds], "of the same training, the newest copy"


def test_runs_of_other_splits_are_refused_with_the_ids(runs: Path, params: Params, tmp_path: Path) -> None:
    splits = tmp_path / "splits.parquet"
    split(
        runs / "first/manifest.parquet",
        out=splits,
        params=params.splits.model_copy(update={"protocol": "session-5fold"}),
    )
    five = trained(runs / "first", TEXT, params, out=tmp_path / "five/text", splits=splits)
    first = read_record(runs / "first/folds/context-mmt/bert-fc-frozen/fold-1")
    with pytest.raises(EvaluationError) as refusal:
        compare([runs / "first", tmp_path / "five"], params=params.evaluation)
    said = str(refusal.value)
    assert said.startswith(
        f"these runs were not tested on the same data: protocol is session5-only in {runs / 'first'}, session-5fold in "
        f"{tmp_path / 'five'}; split_id is {first.split_id} in {runs / 'first'}, {read_record(five).split_id} in "
    )
    assert "manifest_hash" not in said
    assert "train one of them again on the other's" in said

    trained(runs / "first", SPEECH, params, out=tmp_path / "five/speech", splits=splits)
    with pytest.raises(EvaluationError, match=r"seed 0: missing folds \[2, 3, 4, 5\]; train the"):
        compare([tmp_path / "five"], manifest=runs / "first/manifest.parquet", params=params.evaluation)


def test_runs_of_another_corpus_are_refused_with_the_ids(runs: Path, params: Params, tmp_path: Path) -> None:
    shutil.copytree(runs / "second", tmp_path / "other")
    record = tmp_path / "other/folds/context-mmt/bert-fc-frozen/fold-1" / RECORD
    record.write_text(json.dumps(json.loads(record.read_text()) | {"manifest_hash": "feedfeedfeedfeed"}))
    with pytest.raises(EvaluationError, match=r"manifest_hash is \w{16} in .*first, feedfeedfeedfeed in .*other; comp"):
        compare([runs / "first", tmp_path / "other"], params=params.evaluation)


def test_the_manifest_is_that_of_the_runs(runs: Path, params: Params, tmp_path: Path) -> None:
    shutil.copytree(runs / "second/folds", tmp_path / "a/deep/down/here/folds")
    shutil.copytree(runs / "first/folds", tmp_path / "b/deep/down/here/folds")
    homeless = [tmp_path / name / "deep/down/here" for name in "ab"]
    with pytest.raises(EvaluationError, match=r"no manifest of version \w{16}, .*, in or above .*with --manifest"):
        compare(homeless, params=params.evaluation)
    found = compare(homeless, manifest=runs / "first/manifest.parquet", params=params.evaluation)
    assert found.variants.keys() == {f"a/{TEXT}", f"b/{TEXT}", SPEECH}

    manifest = read_manifest(runs / "first/manifest.parquet")
    manifest.rows["transcript"] = "other words"
    write_manifest(manifest, tmp_path / "other.parquet")
    with pytest.raises(EvaluationError, match=r"other.parquet has manifest_hash \w{16}, but the runs were trained on"):
        compare(homeless, manifest=tmp_path / "other.parquet", params=params.evaluation)


def test_other_seeds_are_refused(runs: Path, params: Params, tmp_path: Path) -> None:
    trained(runs / "first", f"{TEXT}:1:7", params, out=tmp_path / "seven/fold-1-seed-7")
    with pytest.raises(EvaluationError) as refusal:
        compare([runs / "first", tmp_path / "seven"], params=params.evaluation)
    assert f"first/{TEXT} has [0]; " in str(refusal.value).replace(f"{runs.name}/", "")
    assert f"{TEXT} has [7]; train the missing ones (plan.seeds)" in str(refusal.value)


def test_what_is_not_a_run_is_reported(runs: Path, params: Params, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'gone'} is not a folder; name the --out folder of a finished run" in refused(
        "compare", tmp_path / "gone"
    )
    said = refused("compare", runs / "first", tmp_path / "empty")
    assert f"{tmp_path / 'empty'} has no finished fold (model/fold_record.json in none of its folders)" in said
    said = refused("compare", runs / "first", runs / "first/folds")
    assert f"is given twice, in {runs / 'first'} and in {runs / 'first/folds'}; give every run once" in said
    said = refused("compare", runs / "second")
    assert f"{TEXT} is the only variant in {runs / 'second'}; pass another run to compare it with" in said
    with pytest.raises(OutputError, match="cannot write"):
        compare([runs / "first"], params=params.evaluation, out=tmp_path / "empty")


def test_the_command_prints_both_tables_or_json(runs: Path) -> None:
    arguments = ("compare", runs / "first", runs / "second", "--set", "evaluation.bootstrap_samples=200")
    said = merflow(*arguments)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].split() == ["variant", "UA", "interval", "WA", "run", "encoders"]
    assert sum(f"second/{TEXT}" in line for line in lines) == 5, "once as a variant, in two pairs, against two classics"
    assert "Holm adjusts p over 3 pairs." in said.out
    assert "would detect 2.3 points" in " ".join(said.out.split())

    told = merflow(*arguments, "--json")
    assert told.code == 0
    found = json.loads(told.out)
    assert found["runs"] == [str(runs / "first"), str(runs / "second")]
    assert found["resamples"] == 100 * max(3, len(found["classic_comparisons"])), (
        "a hundred per pair of the larger family"
    )
