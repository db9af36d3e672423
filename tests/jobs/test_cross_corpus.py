"""Matrices of corpora, from raw releases to a page."""

import shutil
from pathlib import Path

import pytest

from merflow.contracts.corpus_matrix import CorpusMatrix, read_matrix
from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.contracts.score_results import ScoreResults, read_any_results
from merflow.contracts.taxonomy import TAXONOMIES
from merflow.contracts.tracked_run import read_tracked_run
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import CorpusError, LabelError
from merflow.jobs.cross_corpus import Corpora, cross_corpus
from tests.cli.command import merflow, refused

VARIANTS = ("context-mmt:wavlm-fc-frozen",)
CELLS = ("acted_to_table", "table_to_table")


@pytest.fixture(scope="module")
def table(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of the release's utterances without those of the class neutral."""
    folder = tmp_path_factory.mktemp("table")
    rows = read_iemocap(tiny_release, taxonomy=TAXONOMIES["iemocap4"]).rows
    kept = rows[rows["emotion"].isin(["angry", "happy", "sad"])]
    columns = ["utterance_id", "dialogue_id", "speaker", "session", "transcript", "emotion", "valence"]
    for path in kept["audio_path"]:
        shutil.copy(tiny_release / path, folder)
    written = kept[columns].assign(audio_path=[Path(path).name for path in kept["audio_path"]])
    written.to_csv(folder / "utterances.csv", index=False)
    return folder / "utterances.csv"


@pytest.fixture(scope="module")
def small(params: Params) -> Params:
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.3}
    return params.model_copy(
        update={
            "splits": params.splits.model_copy(update=drawn),
            "classics": params.classics.model_copy(update={"audio": False, "opensmile": "off"}),
            "training": params.training.model_copy(update={"max_epochs": 2}),
            "tracking": params.tracking.model_copy(update={"system_metrics_every_s": 0.0}),
        }
    )


@pytest.fixture(scope="module")
def finished(tiny_release: Path, table: Path, small: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matrix")
    run(corpora(tiny_release, table), small, out)
    return out


def corpora(release: Path, table: Path) -> Corpora:
    return Corpora.of(train_on=[f"acted:iemocap={release}", f"table={table}"], test_on=[f"table={table}"])


def run(corpora: Corpora, params: Params, out: Path) -> CorpusMatrix:
    return cross_corpus(corpora, variants=VARIANTS, out=out, params=params, name="matrix", command="merflow ...")


def test_every_cell_is_a_run_of_its_own(finished: Path) -> None:
    matrix = read_matrix(finished / "matrix.json")
    assert tuple(cell.folder for cell in matrix.cells) == CELLS
    assert matrix.classes == ("angry", "happy", "sad")
    assert matrix.figure == "UA"
    for cell in matrix.cells:
        results = read_results(finished / cell.folder / "results.json")
        assert results.split_id == cell.split_id == read_splits(finished / cell.folder / "splits.parquet").split_id
        assert results.cross_corpus == cell.corpora
        assert {name: figure.value for name, figure in cell.figures.items()} == {
            name: variant.ua.pooled for name, variant in results.variants.items()
        }
        assert results.published_corpus is None
        assert results.classes == matrix.classes
    assert [(cell.protocol, cell.folds) for cell in matrix.cells] == [("cross-corpus", 1), ("k-fold", 2)]
    across = matrix.cell("acted", "table")
    assert across.utterances == across.corpora.test.utterances == matrix.cell("table", "table").utterances
    assert across.corpora.train.left_out.keys() == {"neutral"}
    assert across.corpora.test.left_out == {}


def test_runs_say_what_they_trained_on_and_tested_and_left_out(finished: Path) -> None:
    tags = read_tracked_run(finished / "acted_to_table/run.json").tags
    assert (tags["train_corpus"], tags["test_corpus"], tags["protocol"]) == ("acted", "table", "cross-corpus")
    assert tags["left_out.acted"].endswith(")")
    assert "neutral" in tags["left_out.acted"]
    assert tags["left_out.table"] == "0.0%"
    assert tags["development_data"] == "random dialogues, 30% of the training utterances"
    for page in ("acted_to_table/report.html", "report.html"):
        text = (finished / page).read_text()
        for said in (tags["split_id"], tags["left_out.acted"], tags["development_data"], "cross-corpus"):
            assert said in text, (page, said)
    assert (finished / "matrix.png").read_bytes().startswith(b"\x89PNG")
    assert [f'href="{cell}/report.html"' in (finished / "report.html").read_text() for cell in CELLS] == [True] * 2


def test_all_cells_are_tracked_in_one_place(finished: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished}/mlflow.db")
    experiment = client.get_experiment_by_name("merflow")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`merflow.kind` = 'benchmark'")
    assert {(run.data.tags["train_corpus"], run.data.tags["test_corpus"]) for run in runs} == {
        ("acted", "table"),
        ("table", "table"),
    }


def test_a_finished_matrix_is_kept(finished: Path, tiny_release: Path, table: Path, small: Params) -> None:
    before = {path: path.read_bytes() for path in [finished / "matrix.json", finished / "matrix.png"]}
    folds = {path: path.stat().st_mtime_ns for path in finished.glob("*/folds/*/*/*/model/fold_record.json")}
    assert len(folds) == 3
    run(corpora(tiny_release, table), small, finished)
    assert before == {path: path.read_bytes() for path in before}
    assert folds == {path: path.stat().st_mtime_ns for path in folds}


def test_scores_are_compared_by_their_ccc(tiny_release: Path, table: Path, tmp_path: Path) -> None:
    said = merflow(
        "benchmark",
        *("--train-on", f"acted:iemocap={tiny_release}", "--test-on", f"table={table}", "--task", "valence"),
        *("--models", VARIANTS[0], "--out", tmp_path / "run", "--development", "random"),
        *("--set", "training.max_epochs=2", "--set", "evaluation.bootstrap_samples=200", "--set", "tracking.uri=none"),
    )
    assert said.code == 0, said.err
    assert "Concordance correlation. Intervals are 95% over dialogues. Task: valence" in " ".join(said.out.split())
    matrix = read_matrix(tmp_path / "run/matrix.json")
    results = read_any_results(tmp_path / "run/acted_to_table/results.json")
    assert isinstance(results, ScoreResults)
    assert matrix.figure == "CCC"
    assert matrix.cells[0].figures[VARIANTS[0]].value == results.variants[VARIANTS[0]].figures["CCC"].pooled
    assert matrix.cells[0].corpora.test.left_out == {}
    report = (tmp_path / "run/acted_to_table/report.html").read_text()
    assert "Trained on acted and tested on the whole of table." in report


def test_corpora_that_cannot_be_compared_are_refused(
    tiny_release: Path, table: Path, small: Params, tmp_path: Path
) -> None:
    acted = f"acted:iemocap={tiny_release}"
    with pytest.raises(CorpusError, match="usual tasks of these corpora differ"):
        run(Corpora.of(train_on=[acted], test_on=["synthetic-mosei=tiny"]), small, tmp_path)
    with pytest.raises(CorpusError, match="comes as features"):
        run(Corpora.of(train_on=[acted], test_on=["synthetic-mosei-pickle=tiny"]), small, tmp_path)
    assert not list(tmp_path.iterdir())
    lines = table.read_text().splitlines()
    (table.parent / "one.csv").write_text("\n".join([lines[0], *(line for line in lines if ",sad," in line)]))
    with pytest.raises(LabelError, match="only the class sad"):
        run(Corpora.of(train_on=[acted], test_on=[f"table={table.parent / 'one.csv'}"]), small, tmp_path / "out")


def test_the_command_takes_both_options_and_no_corpus_with_them(table: Path, tmp_path: Path) -> None:
    shared = ("benchmark", "--models", VARIANTS[0], "--out", tmp_path)
    assert "--test-on is missing" in refused(*shared, "--train-on", "synthetic")
    assert "--train-on is missing" in refused(*shared, "--test-on", "synthetic")
    assert "only the corpus synthetic is trained on and tested" in refused(
        *shared, "--train-on", "synthetic", "--test-on", "synthetic"
    )
    both = ("--train-on", "synthetic=tiny", "--test-on", f"table={table}")
    assert "--corpus, --size cannot be combined with --train-on and --test-on" in refused(
        *shared, *both, "--corpus", "synthetic", "--size", "tiny"
    )
