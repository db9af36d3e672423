"""Reports of finished runs, whose folds are real ones of a tiny release."""

import json
import os
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.contracts.fold_record import FOLD_RECORD
from merflow.contracts.invocation import Invocation, write_invocation
from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.contracts.score_results import of_emotions
from merflow.corpus.manifest import read_manifest
from merflow.corpus.source import CorpusSource
from merflow.errors import EvaluationError, PresetError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.report import report
from merflow.runs import fold_folder
from merflow.runs.fold_folder import RECORD
from merflow.storage.local import write_json
from tests.cli.command import refused
from tests.jobs.fresh_interpreter import heavy_modules_after

VARIANTS = ("context-mmt:wavlm-fc-frozen", "context-mmt:bert-fc-frozen")
FOLD = "folds/context-mmt/bert-fc-frozen/fold-2"


@pytest.fixture(scope="module")
def finished(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "monday"
    changes = {
        "splits": params.splits.model_copy(update={"protocol": "session-5fold"}),
        "training": params.training.model_copy(update={"max_epochs": 1}),
        "tracking": params.tracking.model_copy(update={"uri": "none"}),
    }
    settings = params.model_copy(update=changes)
    source = CorpusSource("synthetic", tiny_release)
    benchmark(
        source,
        variants=VARIANTS,
        out=out,
        params=settings,
        name="monday",
        command="merflow benchmark X",
        workers=1,
    )
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """Return the run without its store, to be changed."""
    shutil.copytree(finished, tmp_path / "monday", ignore=shutil.ignore_patterns("store", "corpus", "validation"))
    return tmp_path / "monday"


def merflow(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_leaves_its_page_with_embeddings_and_attention_and_its_tables(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    for section in ("embeddings", "attention", "learning", "papers", "breakdowns", "reliability", "baselines"):
        assert f'<section id="{section}"' in page, section
    assert page.count('src="data:image/webp;base64,') >= 2
    assert "merflow benchmark X" in page
    results = read_results(finished / "results.json")
    best = results.variants[results.best].ua.pooled
    assert f"| {100 * best:.1f} |" in (finished / "tables.md").read_text()
    assert r"\begin{table}" in (finished / "tables.tex").read_text()


def test_a_fold_keeps_what_its_model_shows_of_exactly_its_test_part(finished: Path) -> None:
    shown = fold_folder.read_inspection(finished / FOLD)
    tested = fold_folder.read_predictions(finished / FOLD)
    assert shown is not None
    assert list(shown.emotions) == tested["label"].tolist()
    assert len(shown.embedding) == len(tested)
    assert shown.embedding.std(axis=0).max() > 0
    for seen in shown.utterances:
        (row,) = tested[tested["utterance_id"] == seen.utterance_id].itertuples()
        assert list(seen.probabilities.values()) == pytest.approx(row.probabilities.tolist(), abs=1e-6)
        assert seen.emotion == row.label
    assert len(shown.utterances) == 2


@pytest.mark.parametrize("command", [("report",), ("compare",)])
def test_results_of_another_version_are_to_be_evaluated_again(command: tuple[str, ...], copy: Path) -> None:
    results = json.loads((copy / "results.json").read_text())
    write_json(copy / "results.json", results | {"format": 1, "written_by": "0.0.9"})
    assert refused(*command, copy) == (
        f"error: {copy}/results.json was written by merflow 0.0.9 (format 1); this version reads format 3; evaluate "
        "the folds again: repeat the benchmark's command, which keeps its finished folds, or run merflow evaluate "
        f"FOLDS --manifest MANIFEST --splits SPLITS --out {copy}\n"
    )
    given = ("--manifest", copy / "manifest.parquet", "--splits", copy / "splits.parquet", "--out", copy)
    merflow("evaluate", *sorted(copy.glob("folds/*/*/fold-*")), *given)
    merflow(*command, copy)


def test_plots_take_whole_results_alone(copy: Path, tmp_path: Path) -> None:
    results = json.loads((copy / "results.json").read_text())
    del results["variants"][VARIANTS[1]]["reliability"]
    write_json(copy / "results.json", results)
    options = ("--results", copy / "results.json", "--metrics", tmp_path / "m.json", "--out", tmp_path / "plots")
    said = refused("plots", *copy.glob("folds/*/*/fold-*"), *options)
    assert "results.json is damaged; evaluate the folds again" in said
    assert f"variants.{VARIANTS[1]}.reliability: Field required" in said


@pytest.mark.parametrize("command", [("report",), ("compare",)])
def test_a_fold_of_another_version_is_to_be_trained_again(command: tuple[str, ...], copy: Path) -> None:
    (copy / FOLD / RECORD).unlink()
    write_json(copy / FOLD / "fold.json", {"variant": VARIANTS[0], "environment": {"merflow": "0.1.0"}})
    assert refused(*command, copy) == (
        f"error: {copy / FOLD}/fold.json was written by merflow 0.1.0 (format 1); this version reads format 3; "
        "train the fold again with the command that trained it\n"
    )


def test_words_are_in_no_fold_and_in_a_report_where_they_are_asked_for(
    finished: Path, copy: Path, params: Params
) -> None:
    said = [
        words for words in read_manifest(finished / "manifest.parquet").rows["transcript"].dropna() if len(words) > 9
    ]
    kept = [path.read_bytes() for path in finished.glob("folds/**/*") if path.is_file()]
    assert len(said) >= 40
    assert len(kept) > 20
    assert not [words for words in said if any(words.encode() in content for content in kept)]
    pages = {}
    for asked in (False, True):
        shown = params.evaluation.model_copy(update={"show_words": asked})
        report([copy], out=copy.parent / str(asked), command="", params=shown)
        page = (copy.parent / str(asked) / "report.html").read_text()
        pages[asked] = set(re.findall(r'src="(data:image/webp;base64,[^"]*)"', page))
    assert len(pages[False] - pages[True]) == len(pages[True] - pages[False]) == 2 * len({"context-mmt"})


def test_the_report_of_a_run_is_the_one_it_made_and_its_numbers_stay(copy: Path) -> None:
    before = (copy / "results.json").read_bytes()
    page = (copy / "report.html").read_text()
    (copy / "report.html").unlink()
    for age, record in enumerate(sorted(copy.glob("folds/*/*/*/model/fold_record.json"))):
        os.utime(record, (1e9 - age, 1e9 - age))  # folds that ran at once were finished in any order
    said = merflow("report", copy)
    assert str(copy / "report.html") in said
    assert (copy / "results.json").read_bytes() == before, "with the run's own resamples, not those of params.yaml"
    assert (copy / "report.html").read_text() == page


@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_command_that_reads_a_run_loads_no_model_and_no_encoder(command: str, copy: Path) -> None:
    arguments = ["merflow", command, str(copy), "--set", "evaluation.bootstrap_samples=100"]
    assert (
        heavy_modules_after(
            "import sys\n"
            "from merflow.cli.app import main\n"
            f"sys.argv = {arguments}\n"
            "try:\n"
            "    main()\n"
            "except SystemExit as ended:\n"
            "    assert not ended.code, ended.code\n"
        )
        == []
    )


def test_what_a_pipeline_leaves_is_found_by_what_it_is(copy: Path, tmp_path: Path) -> None:
    artifacts = tmp_path / "piped" / "kfp" / "benchmark-1"
    for number, fold in enumerate(sorted((copy / "folds").rglob(FOLD_RECORD))):
        shutil.move(fold.parent.parent, artifacts / f"train-{number}" / "fold")
    for name, artifact in (("manifest.parquet", "transcribe/transcribed"), ("splits.parquet", "split/splits")):
        (artifacts / artifact).parent.mkdir()
        shutil.move(copy / name, artifacts / artifact)
    (artifacts / "transcribe" / "validated").write_text("something else")
    shutil.move(copy / "classics", artifacts / "classics-1" / "classics")
    shutil.copy(copy / "results.json", tmp_path / "piped" / "results.json")
    found = json.loads(merflow("report", tmp_path / "piped", "--json"))
    assert found == read_results(copy / "results.json").as_json()
    assert "merflow benchmark X" not in (tmp_path / "piped" / "report.html").read_text(), "nothing says what was run"


def test_runs_of_the_same_data_are_compared(copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "tuesday"
    shutil.copytree(copy, other)
    (copy / "results.json").unlink()
    (other / "results.json").unlink()
    shutil.rmtree(copy / "folds/context-mmt/bert-fc-frozen")
    write_invocation(other, Invocation(name="tuesday", command="merflow benchmark Y"))
    said = merflow("report", copy, other, "--out", tmp_path / "both", "--set", "evaluation.bootstrap_samples=200")
    for variant in VARIANTS:
        assert variant in said
    page = (tmp_path / "both/report.html").read_text()
    assert "monday and tuesday" in page
    assert "merflow benchmark X\nmerflow benchmark Y" in page
    assert not (other / "results.json").exists()


def test_a_preset_of_ones_own_is_reported_without_its_file(copy: Path, params: Params) -> None:
    (copy / "results.json").unlink()
    _rename(copy / "folds/context-mmt/bert-fc-frozen", "mine")
    with pytest.raises(PresetError, match="unknown variant 'context-mmt:mine'"):
        report([copy], out=None, command="", params=params.evaluation)
    for file in (copy / "folds/context-mmt/bert-fc-frozen").rglob(FOLD_RECORD):
        origin = {"base": "context-mmt:bert-fc-frozen", "changes": [{}], "tuned": {}}
        write_json(file, {**json.loads(file.read_text()), "origin": origin})
    found = json.loads(merflow("report", copy, "--json"))
    assert sorted(found["variants"]) == ["context-mmt:mine", "context-mmt:wavlm-fc-frozen"]
    assert "context-mmt:mine from context-mmt:bert-fc-frozen" in (copy / "report.html").read_text()


def _rename(folds_of_variant: Path, preset: str) -> None:
    """Rename the folds, as if they had been trained under another name."""
    for file in folds_of_variant.rglob(FOLD_RECORD):
        write_json(file, {**json.loads(file.read_text()), "preset": preset})
    for file in [*folds_of_variant.rglob("predictions.parquet"), *folds_of_variant.rglob("none-paper.parquet")]:
        table = pq.read_table(file)
        names = pa.array([preset] * len(table), table.schema.field("preset").type)
        pq.write_table(
            table.set_column(table.schema.get_field_index("preset"), table.schema.field("preset"), names), file
        )


def test_several_runs_need_a_place(copy: Path, params: Params) -> None:
    with pytest.raises(EvaluationError, match="name a folder for their report with --out"):
        report([copy, copy], out=None, command="", params=params.evaluation)


@pytest.mark.parametrize("what", ["split_id", "manifest_hash"])
def test_runs_of_other_data_are_not_compared(copy: Path, params: Params, tmp_path: Path, what: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(copy, other)
    (other / "results.json").unlink()
    for file in other.rglob(FOLD_RECORD):
        write_json(file, {**json.loads(file.read_text()), what: "0123456789abcdef"})
    with pytest.raises(EvaluationError, match=rf"monday has {what} \w+, .*other has 0123456789abcdef.*cannot be compa"):
        report([copy, other], out=tmp_path / "both", command="", params=params.evaluation)


def test_one_training_done_in_two_ways_is_not_compared(copy: Path, params: Params, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(copy, other)
    file = other / FOLD / RECORD
    write_json(file, {**json.loads(file.read_text()), "fingerprint": "0"})
    with pytest.raises(EvaluationError, match=r"bert-fc-frozen:2 was trained differently in .*monday.* and in .*other"):
        report([copy, other], out=tmp_path / "both", command="", params=params.evaluation)


def test_missing_folds_are_named(copy: Path, params: Params) -> None:
    shutil.rmtree(copy / FOLD)
    with pytest.raises(EvaluationError, match=r"bert-fc-frozen seed 0: missing folds \[2\].*train the missing"):
        report([copy], out=None, command="", params=params.evaluation)


def test_a_run_without_its_data_says_which_it_lacks(copy: Path, params: Params, tmp_path: Path) -> None:
    (copy / "manifest.parquet").rename(tmp_path / "kept.parquet")
    (copy / "folds/manifest.parquet").write_text("something else")
    lacking = r"no manifest of version \w{16}, .* in or above .*monday \(1 file.*name the file with --manifest"
    with pytest.raises(EvaluationError, match=lacking):
        report([copy], out=None, command="", params=params.evaluation)
    report([copy], out=None, command="", params=params.evaluation, manifest=tmp_path / "kept.parquet")


def test_folds_of_one_variant_find_the_data_of_their_run(copy: Path, params: Params, tmp_path: Path) -> None:
    folds = (copy / FOLD).parent
    whole = read_results(copy / "results.json")
    # As many resamples as the whole run drew, for its larger number of pairs.
    settings = params.evaluation.model_copy(update={"bootstrap_samples": whole.resamples})
    results, _ = report([folds], out=tmp_path / "part", command="", params=settings)
    (variant,) = results.variants
    assert of_emotions(results).variants[variant].ua == whole.variants[variant].ua
    assert results.manifest_hash == whole.manifest_hash


@pytest.mark.parametrize(
    ("make", "said"), [(True, "has no finished fold"), (False, "is not a folder; name the --out folder")]
)
def test_a_folder_without_a_run_is_refused(tmp_path: Path, params: Params, make: bool, said: str) -> None:
    place = tmp_path / "empty"
    if make:
        place.mkdir()
    with pytest.raises(EvaluationError, match=said):
        report([place], out=None, command="", params=params.evaluation)
