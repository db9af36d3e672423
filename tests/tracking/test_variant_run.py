"""Runs of variants in MLflow, and their results."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from merflow.contracts.regime import Regime
from merflow.contracts.results import BaselineScore, Results
from merflow.contracts.scores import Accuracy, Bias, Biases, NonePaper, OverSeeds, Spread, Variant
from merflow.tracking.mlflow_runs import BenchmarkRun
from merflow.tracking.notes import variant_note
from merflow.tracking.variant_run import figures_of
from tests.contracts.records import RECIPE, SPLITS, planned_fold
from tests.evaluation.finished import TRAINING, comparison, fold, published, results_of_three, variant
from tests.evaluation.scores.rated import results_of_three as results_of_three_scores
from tests.tracking.recorded import artifacts, opened, runs

BEST, OTHER = "context-mmt:mmt-frozen", "context-mmt:wavlm-te-frozen"
PUBLISHED = (
    *published("iemocap4, session-5fold", UA=80.0, WA=79.0),
    *published("iemocap4, speaker-10fold", UA=85.0),
    *published("mosei, official", F1=84.1),
)


def results(*, published_corpus: bool = False) -> Results:
    baseline = BaselineScore(ua=0.25, wa=0.3, ci95=None, description="always the most frequent emotion")
    return results_of_three(synthetic=not published_corpus).model_copy(
        update={
            "split_id": "b" * 16,
            "utterances": 40,
            "variants": {BEST: scores(0.7, none_paper=selected()), OTHER: scores(0.6)},
            "comparisons": (comparison(BEST, OTHER, delta_ua=0.1, p=0.08),),
            "baselines": {"majority": baseline},
        }
    )


def scores(share: float, **changes: Any) -> Variant:  # noqa: ANN401 - any field
    """Return a variant with one fold that left out one of the preset's stages."""
    accuracy = Accuracy(mean=share, std=None, pooled=share, ci95=(share - 0.2, share + 0.1))
    values: dict[str, Any] = {
        "ua": accuracy,
        "wa": Accuracy(mean=share, std=0.02, pooled=share + 0.01, ci95=(share - 0.1, share + 0.1)),
        "per_class_recall": {"angry": share, "sad": None},
        "over_seeds": OverSeeds(ua=Spread(mean=share, std=0.03), wa=Spread(mean=share, std=None), each=()),
        "folds": (fold(3, ua=share - 0.03, chosen_epoch=4, dev_ua=0.9, dev_loss=0.3),),
        "training": TRAINING.model_copy(update={"regime": Regime(asked=("frozen", "partial"), ran=("frozen",))}),
        "published": PUBLISHED,
    }
    return variant(share, **{**values, **changes})


def selected() -> NonePaper:
    """Test-selected figures of a variant of UA 0.7 and WA 0.71."""
    ua, wa = (Accuracy(mean=figure, std=None, pooled=figure) for figure in (0.74, 0.75))
    return NonePaper(ua=ua, wa=wa, bias=Biases(ua=Bias(pooled=0.04, ci95=None), wa=Bias(pooled=0.05, ci95=None)))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (tmp_path / "report.html").write_text("<!doctype html>")
    return tmp_path / "report.html"


def log(benchmark: BenchmarkRun, report: Path) -> bool:
    return benchmark.log_results(
        results(),
        variants={BEST: planned_fold(), OTHER: planned_fold(preset="wavlm-te-frozen")},
        files={"report.html": report},
        figures=lambda _: {"confusion.png": Figure()},
        command="merflow benchmark ...",
    )


def test_results_are_logged_on_the_benchmark_its_variants_and_each_fold(
    uri: str, benchmark_id: str, report: Path
) -> None:
    benchmark = opened(uri, benchmark_id)
    with benchmark.fold(planned_fold()) as fold:
        fold.log_metrics({"train_loss": 1.0}, epoch=1)
    assert log(benchmark, report)

    (parent,), (child,) = runs(uri, benchmark_id, "benchmark"), runs(uri, benchmark_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {
        "best_UA": 0.7,
        "best_WA": pytest.approx(0.71),
        "baseline/majority_UA": 0.25,
        "variants": 2,
        "utterances": 40,
    }
    assert parent.data.tags["best_variant"] == BEST
    note = parent.data.tags["mlflow.note.content"]
    assert f"| {BEST} | 70.0 | 50.0 to 80.0 | 71.0 | 70.0 | 10.0 | 80.0 (iemocap4, session-5fold) |" in note
    assert f"| {BEST} - {OTHER} | +10.0 | -1.0 to 20.0 | 0.080 |" in note
    assert "Reproduce with: `merflow benchmark ...`" in note
    assert artifacts(uri, parent) == {"report.html"}

    best, other = runs(uri, benchmark_id, "variant")
    assert (best.info.run_name, best.info.status) == (BEST, "FINISHED")
    assert best.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert best.data.metrics == {
        "test_UA": 0.7,
        "test_UA_low": pytest.approx(0.5),
        "test_UA_high": pytest.approx(0.8),
        "spread/UA_mean_of_folds": 0.7,
        "spread/UA_std_of_seeds": 0.03,
        "test_WA": pytest.approx(0.71),
        "test_macro_f1": 0.7,
        "test_weighted_f1": 0.7,
        "test_ece": 0.1,
        "recall/angry": 0.7,
        "published/iemocap4/session-5fold/UA": 0.8,
        "published/iemocap4/session-5fold/WA": 0.79,
        "published/iemocap4/speaker-10fold/UA": 0.85,
        "published/mosei/official/F1": 0.841,
    }
    assert "Other than the preset: encoders frozen; the paper fine-tunes them." in best.data.tags["mlflow.note.content"]
    assert artifacts(uri, best) == {"confusion.png"}
    assert other.data.metrics["test_UA"] == 0.6
    assert child.data.metrics["test_UA"] == 0.7
    assert {key: child.data.metrics[f"chosen/{key}"] for key in ("epoch", "dev_ua", "dev_loss")} == {
        "epoch": 4,
        "dev_ua": 0.9,
        "dev_loss": 0.3,
    }


def test_a_benchmark_of_scores_names_its_best_classic(uri: str, benchmark_id: str, report: Path) -> None:
    rated = results_of_three_scores(errors_of_classics={"tfidf": 0.9, "tfidf-asr": 1.2})
    benchmark = opened(uri, benchmark_id)
    files = {"report.html": report}
    assert benchmark.log_results(rated, variants={}, files=files, figures=lambda _: {}, command="")

    (parent,) = runs(uri, benchmark_id, "benchmark")
    assert parent.data.tags["best_variant"] == rated.best
    assert parent.data.tags["best_classic"] == "classic:tfidf"
    pair, metrics = rated.best_classic(rated.best), parent.data.metrics
    assert pair is not None
    logged = {name: metrics[name] for name in ("classic/tfidf_MAE", "classic/tfidf-asr_MAE", "best_MAE_minus_classic")}
    assert logged == {
        "classic/tfidf_MAE": round(rated.classics["classic:tfidf"].mae, 4),
        "classic/tfidf-asr_MAE": round(rated.classics["classic:tfidf-asr"].mae, 4),
        "best_MAE_minus_classic": round(pair.mae.delta, 4),
    }
    assert "| classic:tfidf | text |" in parent.data.tags["mlflow.note.content"]


def test_test_selected_figures_have_a_run_that_cannot_be_promoted(uri: str, benchmark_id: str, report: Path) -> None:
    log(opened(uri, benchmark_id), report)

    (shadow,) = runs(uri, benchmark_id, "none-paper")
    best, _ = runs(uri, benchmark_id, "variant")
    assert shadow.data.tags["mlflow.parentRunId"] == best.info.run_id
    assert (best.data.tags["promotable"], shadow.data.tags["promotable"]) == ("true", "false")
    assert shadow.data.tags["selection"].startswith("none-paper: the epoch with the highest test UA")
    assert shadow.data.metrics == {
        "test_selected_UA": pytest.approx(0.74),
        "test_selected_WA": pytest.approx(0.75),
        "bias_UA": 0.04,
        "bias_WA": 0.05,
    }


def test_a_published_figure_is_subtracted_on_its_own_corpus_and_protocol_alone() -> None:
    def logged(**changes: Any) -> dict[str, float | None]:  # noqa: ANN401 - any field
        figures = figures_of(BEST, results(published_corpus=True).model_copy(update=changes))
        return {name: value for name, value in figures.items() if name.startswith("published/")}

    assert logged() == pytest.approx(
        {
            **{"published/UA": 0.8, "published/UA_difference": -0.1, "published/WA": 0.79},
            **{"published/WA_difference": -0.08, "published/iemocap4/speaker-10fold/UA": 0.85},
            "published/mosei/official/F1": 0.841,
        }
    )
    assert {name for name in logged(protocol="speaker-10fold") if "difference" in name} == {"published/UA_difference"}
    assert logged(protocol="speaker-10fold")["published/UA_difference"] == pytest.approx(-0.15)
    for changes in ({"protocol": "session5-only"}, {"published_corpus": None}, {"published_corpus": "mosei"}):
        assert not [name for name in logged(**changes) if "difference" in name or name == "published/UA"]


def test_an_uncertain_figure_says_so_and_is_not_subtracted() -> None:
    guessed = scores(0.7, published=published("iemocap4, session-5fold", note="perhaps another's", UA=80.0))
    shown = results(published_corpus=True).model_copy(update={"variants": {BEST: guessed}})
    figures = figures_of(BEST, shown)
    assert [name for name in figures if name.startswith("published/")] == ["published/UA_uncertain"]
    assert "| 80.0? |" in variant_note(BEST, shown)


def test_equal_results_are_logged_once_and_other_results_again(uri: str, benchmark_id: str, report: Path) -> None:
    assert [log(opened(uri, benchmark_id), report) for _ in range(2)] == [True, False]
    report.write_text("<!doctype html><p>another")
    assert log(opened(uri, benchmark_id), report)

    client = MlflowClient(uri)
    for run in (*runs(uri, benchmark_id, "variant"), *runs(uri, benchmark_id, "benchmark")):
        assert run.info.status == "FINISHED"
        assert {len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics} == {1}
    (parent,) = runs(uri, benchmark_id, "benchmark")
    assert "another" in Path(client.download_artifacts(parent.info.run_id, "report.html")).read_text()


def test_a_variant_of_other_settings_takes_the_place_of_the_first(uri: str, benchmark_id: str) -> None:
    benchmark = opened(uri, benchmark_id)
    benchmark.fold(planned_fold(fold=1)).finish("FINISHED")
    (first,) = runs(uri, benchmark_id, "variant")
    changed = (RECIPE.model_copy(update={"lr": 5e-4}),)
    benchmark.fold(planned_fold(fold=2, recipes=changed)).finish("FINISHED")

    (second,) = runs(uri, benchmark_id, "variant")
    assert first.info.run_id != second.info.run_id
    assert second.data.params["recipe.lr"] == "0.0005"
    assert runs(uri, benchmark_id)[1].data.tags["mlflow.parentRunId"] == second.info.run_id


SEARCHES = {
    "tags.merflow.kind = 'variant'": {BEST, OTHER},
    "tags.merflow.kind = 'variant' and metrics.test_UA > 0.65 and tags.promotable = 'true'": {BEST},
    "params.preset = 'wavlm-te-frozen' and tags.merflow.kind = 'variant'": {OTHER},
    f"tags.merflow.kind = 'fold' and tags.variant = '{BEST}' and tags.fold = '3'": {f"fold 3 of {BEST}"},
    "datasets.digest = 'MANIFEST/SPLIT' and tags.merflow.kind = 'variant'": {BEST, OTHER},
    "tags.promotable = 'false'": {f"none-paper of {BEST}"},
    "metrics.`published/iemocap4/session-5fold/UA` > 0.79": {BEST, OTHER},
}


def test_the_searches_in_the_docs_find_what_they_promise(tmp_path: Path, report: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    benchmark = opened(uri, "searched")
    benchmark.fold(planned_fold()).finish("FINISHED")
    log(benchmark, report)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("merflow")
    document = Path("docs/tracking.md").read_text()
    for search, names in SEARCHES.items():
        assert f"`{search}`" in document
        query = search.replace("MANIFEST/SPLIT", f"{'a' * 16}/{'b' * 16}")
        found = client.search_runs([experiment.experiment_id], query)
        assert {run.info.run_name for run in found} == names, search


def test_a_search_of_the_docs_finds_the_variants_of_one_task(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    opened(uri, "of emotions").fold(planned_fold()).finish("FINISHED")
    rated = SPLITS.model_copy(update={"task": "valence"})
    opened(uri, "of scores").fold(planned_fold(classes=(), split_params=rated)).finish("FINISHED")
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("merflow")
    search = "tags.task = 'valence' and tags.merflow.kind = 'variant'"
    assert f"`{search}`" in Path("docs/tracking.md").read_text()
    (found,) = client.search_runs([experiment.experiment_id], search)
    assert found.data.tags["merflow.benchmark_id"] == "of scores"
