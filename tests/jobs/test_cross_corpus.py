"""Matrices of corpora, from raw releases to a page."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.corpus_matrix import CorpusMatrix, read_matrix
from merflow.contracts.numerals import percent
from merflow.contracts.params import Params
from merflow.contracts.results import read_results
from merflow.contracts.score_results import ScoreResults, read_any_results
from merflow.contracts.taxonomy import TAXONOMIES
from merflow.contracts.tracked_run import read_tracked_run
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import CorpusError, LabelError
from merflow.jobs.cross_corpus import Corpora, cross_corpus
from tests.cli.command import merflow, refused

VARIANTS = ("context-mmt:wavlm-fc-frozen",)
CELLS = ("acted_to_table", "table_to_table")


@pytest.fixture(scope="module")
def small(params: Params) -> Params:
    """Return parameters of a quick run with six classes, of which the table lacks two."""
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.3}
    return params.model_copy(
        update={
            "corpus": params.corpus.model_copy(update={"taxonomy": TAXONOMIES["iemocap6"]}),
            "splits": params.splits.model_copy(update=drawn),
            "classics": params.classics.model_copy(update={"audio": False, "opensmile": "off"}),
            "training": params.training.model_copy(update={"max_epochs": 2}),
            "tracking": params.tracking.model_copy(update={"system_metrics_every_s": 0.0}),
        }
    )


@pytest.fixture(scope="module")
def finished(tiny_release: Path, tiny_table: Path, small: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("matrix")
    run(corpora(tiny_release, tiny_table), small, out)
    return out


def corpora(release: Path, table: Path) -> Corpora:
    return Corpora.of(train_on=[f"acted:iemocap={release}", f"table={table}"], test_on=[f"table={table}"])


def run(corpora: Corpora, params: Params, out: Path) -> CorpusMatrix:
    return cross_corpus(
        corpora, variants=VARIANTS, out=out, params=params, name="matrix", command="merflow ...", workers=1
    )


def test_every_cell_is_a_run_of_its_own(finished: Path) -> None:
    matrix = read_matrix(finished / "matrix.json")
    assert tuple(cell.folder for cell in matrix.cells) == CELLS
    assert matrix.classes == ("angry", "happy", "neutral", "sad")
    assert matrix.synthetic == ("acted", "table")
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
    assert across.corpora.train.left_out == {"excited": 10, "frustrated": 3}
    assert across.corpora.test.left_out == {}


def test_runs_say_what_they_trained_on_and_tested_and_left_out(finished: Path) -> None:
    tags = read_tracked_run(finished / "acted_to_table/run.json").tags
    assert (tags["train_corpus"], tags["test_corpus"], tags["protocol"]) == ("acted", "table", "cross-corpus")
    assert tags["left_out.acted"].endswith(")")
    assert "excited" in tags["left_out.acted"]
    assert tags["left_out.table"] == "0.0%"
    assert tags["development_data"] == "random dialogues, 30% of the training utterances"
    for page in ("acted_to_table/report.html", "report.html"):
        text = (finished / page).read_text()
        for said in (tags["split_id"], tags["left_out.acted"], tags["development_data"], "cross-corpus"):
            assert said in text, (page, said)
    matrix = read_matrix(finished / "matrix.json")
    across, within = (percent(cell.figures[VARIANTS[0]].value) for cell in matrix.cells)
    assert f"UA in percent: {within} within one corpus, {across} across corpora, 25.0 by chance." in text
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


def test_a_finished_matrix_is_kept(finished: Path, tiny_release: Path, tiny_table: Path, small: Params) -> None:
    before = {path: path.read_bytes() for path in [finished / "matrix.json", finished / "matrix.png"]}
    folds = {path: path.stat().st_mtime_ns for path in finished.glob("*/folds/*/*/*/model/fold_record.json")}
    assert len(folds) == 3
    run(corpora(tiny_release, tiny_table), small, finished)
    assert before == {path: path.read_bytes() for path in before}
    assert folds == {path: path.stat().st_mtime_ns for path in folds}


def test_an_interrupted_matrix_goes_on_where_it_stopped(small: Params, tmp_path: Path) -> None:
    """A Ctrl-C comes when the second cell has trained its first fold."""
    generated = Corpora.of(train_on=["synthetic=tiny", "synthetic-table=tiny"], test_on=["synthetic-table=tiny"])
    options: dict[str, Any] = {"variants": VARIANTS, "out": tmp_path, "params": small, "name": "m", "command": "m"}

    def interrupt(stage: str, done: int, total: int) -> None:
        if (stage, done, total) == ("train folds", 1, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_corpus(generated, **options, workers=1, progress=interrupt)
    assert not (tmp_path / "matrix.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/folds/*/*/*/model/fold_record.json")}
    assert [path.relative_to(tmp_path).parts[0] for path in sorted(finished)] == [
        "synthetic-table_to_synthetic-table",
        "synthetic_to_synthetic-table",
    ]
    matrix = cross_corpus(generated, **options, workers=1)
    assert len(list(tmp_path.glob("*/folds/*/*/*/model/fold_record.json"))) == 3
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    assert [cell.folds for cell in matrix.cells] == [1, 2]


def test_scores_are_compared_by_their_ccc(tiny_release: Path, tmp_path: Path) -> None:
    other = synthesize(tmp_path / "other", size="tiny", seed=1)
    said = merflow(
        "benchmark",
        *("--train-on", f"acted:iemocap={tiny_release}", "--test-on", f"other:iemocap={other}", "--task", "valence"),
        *("--models", VARIANTS[0], "--out", tmp_path / "run", "--development", "random"),
        *("--set", "training.max_epochs=2", "--set", "evaluation.bootstrap_samples=200", "--set", "tracking.uri=none"),
    )
    assert said.code == 0, said.err
    assert "Concordance correlation. Intervals are 95% over dialogues. Task: valence" in " ".join(said.out.split())
    matrix = read_matrix(tmp_path / "run/matrix.json")
    results = read_any_results(tmp_path / "run/acted_to_other/results.json")
    assert isinstance(results, ScoreResults)
    assert matrix.figure == "CCC"
    assert matrix.cells[0].figures[VARIANTS[0]].value == results.variants[VARIANTS[0]].figures["CCC"].pooled
    assert matrix.cells[0].corpora.test.left_out == {}
    report = (tmp_path / "run/acted_to_other/report.html").read_text()
    assert "Trained on acted and tested on the whole of other." in report


def test_corpora_that_cannot_be_compared_are_refused(
    tiny_release: Path, tiny_table: Path, small: Params, tmp_path: Path
) -> None:
    acted = f"acted:iemocap={tiny_release}"
    with pytest.raises(CorpusError, match="usual tasks of these corpora differ"):
        run(Corpora.of(train_on=[acted], test_on=["synthetic-mosei=tiny"]), small, tmp_path)
    with pytest.raises(CorpusError, match="comes as features"):
        run(Corpora.of(train_on=[acted], test_on=["synthetic-mosei-pickle=tiny"]), small, tmp_path)
    assert not list(tmp_path.iterdir())
    valence = small.model_copy(update={"splits": small.splits.model_copy(update={"task": "valence"})})
    with pytest.raises(CorpusError, match="table has no value in the column 'valence'; choose a task"):
        run(Corpora.of(train_on=[acted], test_on=[f"table={tiny_table}"]), valence, tmp_path / "scores")
    sad = shutil.copytree(tiny_table.parent, tmp_path / "sad") / "utterances.csv"
    lines = sad.read_text().splitlines()
    sad.write_text("\n".join([lines[0], *(line for line in lines if ",sad," in line)]))
    with pytest.raises(LabelError, match="only the class sad"):
        run(Corpora.of(train_on=[acted], test_on=[f"table={sad}"]), small, tmp_path / "out")


def test_the_command_takes_both_options_and_no_corpus_with_them(tmp_path: Path) -> None:
    shared = ("benchmark", "--models", VARIANTS[0], "--out", tmp_path)
    assert "--test-on is missing" in refused(*shared, "--train-on", "synthetic")
    assert "--train-on is missing" in refused(*shared, "--test-on", "synthetic")
    assert "only the corpus synthetic is trained on and tested" in refused(
        *shared, "--train-on", "synthetic", "--test-on", "synthetic"
    )
    assert "one and two are the same corpus, so a model would be tested on its training data; name it" in refused(
        *shared, "--train-on", "one:synthetic=tiny", "--test-on", "two:synthetic=tiny"
    )
    assert "'tny' is neither a file or folder nor a size of corpus 'synthetic'; did you mean 'tiny'?" in refused(
        *shared, "--train-on", "synthetic=tny", "--test-on", "synthetic-table=tiny"
    )
    missing = tmp_path / "missing.csv"
    assert f"no such file or folder: {missing}; pass the CSV file of utterances with mine:table=ROOT" in refused(
        *shared, "--train-on", "synthetic=tiny", "--test-on", f"mine:table={missing}"
    )
    assert "corpus 'table' needs a root; pass the CSV file of utterances with table:table=ROOT" in refused(
        *shared, "--train-on", "synthetic=tiny", "--test-on", "table"
    )
    both = ("--train-on", "synthetic=tiny", "--test-on", "synthetic-table=tiny")
    assert "--corpus, --size cannot be combined with --train-on and --test-on" in refused(
        *shared, *both, "--corpus", "synthetic", "--size", "tiny"
    )
