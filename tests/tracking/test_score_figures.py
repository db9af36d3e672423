"""Figures and notes of a benchmark of scores in MLflow."""

import pytest

from merflow.contracts.score_results import ScoreResults
from merflow.tracking.notes import benchmark_note, fold_note, variant_note
from merflow.tracking.score_figures import benchmark_figures, fold_figures, none_paper_figures
from merflow.tracking.variant_run import figures_of
from tests.evaluation.scores.rated import results_of_three


@pytest.fixture(scope="module")
def results() -> ScoreResults:
    return results_of_three()


def test_every_figure_has_a_name_of_its_own_with_its_convention(results: ScoreResults) -> None:
    variant = results.variants["mfdr:full"]
    figures = figures_of("mfdr:full", results)

    assert figures["test_MAE"] == variant.mae
    assert figures["test_CCC"] == variant.figures["CCC"].pooled
    assert figures["test_ACC2_zero_as_negative"] == variant.figures["ACC2 zero as negative"].pooled
    assert (figures["test_MAE_low"], figures["test_MAE_high"]) == variant.figures["MAE"].ci95
    assert not {"test_ACC2", "test_F1", "published/ACC2", "published/F1"} & figures.keys()
    assert benchmark_figures(results)["floor/majority_ACC7"] == results.chance("ACC7")
    fold = variant.folds[0]
    assert fold_figures(fold)["test_MAE"] == fold.values["MAE"]
    assert fold_figures(fold)["chosen/dev_mae"] == 0.6
    assert variant.none_paper is not None
    assert none_paper_figures(variant.none_paper)["bias_MAE"] == variant.none_paper.bias_mae.pooled


def test_a_published_figure_is_subtracted_on_its_own_corpus_and_protocol_alone(results: ScoreResults) -> None:
    elsewhere = figures_of("mfdr:full", results)
    own = results.model_copy(update={"published_corpus": "mosei", "protocol": "official"})
    figures = figures_of("mfdr:full", own)

    assert elsewhere["published/mosei/official/ACC2_non0"] == pytest.approx(0.852)
    assert not any(name.endswith("_difference") for name in elsewhere)
    pooled = results.variants["mfdr:full"].figures["ACC2 non0"].pooled or 0
    assert figures["published/ACC2_non0"] == pytest.approx(0.852)
    assert figures["published/ACC2_non0_difference"] == pytest.approx(pooled - 0.852)


def test_classics_are_logged_next_to_the_best_variant_and_described() -> None:
    results = results_of_three(errors_of_classics={"tfidf": 0.9, "tfidf-context": 0.7})
    figures, pair = benchmark_figures(results), results.best_classic("mfdr:full")

    assert pair is not None
    assert pair.classic == "classic:tfidf-context"
    assert pair.ccc is not None
    assert {name: value for name, value in figures.items() if "classic" in name} == {
        **{
            f"classic/{name}_{figure}": results.classics[f"classic:{name}"].figures[figure].pooled
            for name in ("tfidf", "tfidf-context")
            for figure in ("MAE", "CCC")
        },
        "best_MAE_minus_classic": pair.mae.delta,
        "best_CCC_minus_classic": pair.ccc.delta,
    }
    assert pair.mae.delta == pytest.approx((figures["best_MAE"] or 0) - (figures["classic/tfidf-context_MAE"] or 0))
    note = benchmark_note(results, command="")
    assert "| classic | reads | MAE | 95% interval | CCC |" in note
    assert f"| classic:tfidf-context | text | {results.classics['classic:tfidf-context'].mae:.3f} |" in note
    assert note.index("| classic:tfidf-context |") < note.index("| classic:tfidf |"), "the lowest MAE first"


def test_notes_without_classics_have_no_table_of_them(results: ScoreResults) -> None:
    assert "classic" not in benchmark_note(results, command="")
    assert not any("classic" in name for name in benchmark_figures(results))


def test_notes_show_the_scale_and_the_best_first(results: ScoreResults) -> None:
    note = benchmark_note(results, command="merflow benchmark --task sentiment")

    assert "Labels are sentiment, -3 to 3" in note
    assert note.index("| mfdr:full |") < note.index("| mfdr:gru |")
    assert "MAE difference" in note
    assert note.endswith("`merflow benchmark --task sentiment`")
    variant = results.variants["mfdr:full"]
    assert f"{variant.mae:.3f}" in variant_note("mfdr:full", results)
    assert f"{variant.folds[0].values['MAE']:.3f}" in fold_note(variant.folds[0], training=variant.training)
