"""The figures of scores under their names in MLflow: ``test_MAE``, ``test_CCC``, ``test_ACC2_non0`` and so on.

MAE is in units of the scale, correlations are -1 to 1, and ACC7, ACC2 and F1 are shares, 0 to 1.
"""

from merflow.contracts.published import MOSEI, by_test
from merflow.contracts.score_differences import ScoreClassicComparison
from merflow.contracts.score_figures import FigureName, FoldFigures, NonePaperFigures, ScoreVariant, counterpart
from merflow.contracts.score_results import ScoreResults

Figures = dict[str, float | None]
# The figures by which variants and classics are compared.
_OF_CLASSICS: tuple[FigureName, ...] = ("MAE", "CCC")


def benchmark_figures(results: ScoreResults) -> Figures:
    """Return the figures of the best variant, of the floors and of the classics."""
    best = results.variants[results.best].figures
    against = results.best_classic(results.best)
    return {
        "best_MAE": best["MAE"].pooled,
        "best_CCC": best["CCC"].pooled,
        **{
            f"floor/{floor}_{metric_name(name)}": value
            for floor, score in results.floors.items()
            for name, value in score.values.items()
        },
        **{
            f"classic/{classic.partition(':')[2]}_{name}": score.figures[name].pooled
            for classic, score in results.classics.items()
            for name in _OF_CLASSICS
        },
        **({} if against is None else _minus_classic(against)),
    }


def variant_figures(name: str, results: ScoreResults) -> Figures:
    """Return the figures by which variants are compared; those that a variant lacks are None."""
    variant = results.variants[name]
    mae = variant.figures["MAE"]
    low, high = mae.ci95 or (None, None)
    return {
        **{_tested(figure): value.pooled for figure, value in variant.figures.items()},
        "test_MAE_low": low,
        "test_MAE_high": high,
        "spread/MAE_mean_of_folds": mae.mean,
        "spread/MAE_std_of_folds": mae.std,
        "spread/MAE_std_of_seeds": variant.over_seeds.mae.std,
        **_published(name, variant, results),
    }


def fold_figures(fold: FoldFigures) -> Figures:
    """Return the test figures of a fold, and the development figures of its chosen epoch."""
    return {
        **{_tested(name): value for name, value in fold.values.items()},
        # Under the names of their curves, MLflow's tables show the last epoch; these are of the chosen one.
        "chosen/epoch": fold.chosen_epoch,
        "chosen/dev_mae": fold.dev_mae,
        "chosen/dev_ccc": fold.dev_ccc,
        "chosen/dev_loss": fold.dev_loss,
    }


def none_paper_figures(selected: NonePaperFigures) -> Figures:
    """Return the figures of test-selected epochs, and their differences from the development-selected ones."""
    return {
        "test_selected_MAE": selected.figures["MAE"].pooled,
        "test_selected_CCC": selected.figures["CCC"].pooled,
        "bias_MAE": selected.bias_mae.pooled,
        "bias_CCC": None if selected.bias_ccc is None else selected.bias_ccc.pooled,
    }


def metric_name(figure: str) -> str:
    """Return a figure's name without the blanks that a search in MLflow would have to quote."""
    return figure.replace(" ", "_")


def _tested(figure: str) -> str:
    return f"test_{metric_name(figure)}"


def _minus_classic(pair: ScoreClassicComparison) -> Figures:
    return {
        "best_MAE_minus_classic": pair.mae.delta,
        "best_CCC_minus_classic": None if pair.ccc is None else pair.ccc.delta,
    }


def _published(name: str, variant: ScoreVariant, results: ScoreResults) -> Figures:
    """Return the paper's sentiment figures, each under the convention that it is compared with.

    A difference from one is taken on the paper's own corpus and protocol, and with its encoders, alone.
    """
    figures: Figures = {}
    if results.task != "sentiment":
        return figures
    for test, on_test in by_test(figure for figure in variant.published if figure.corpus == MOSEI).items():
        for metric, figure in on_test.items():
            own = counterpart(metric, model=name.partition(":")[0])
            said = metric_name(own or f"{metric} of unknown convention") + ("_uncertain" if figure.uncertain else "")
            value = figure.value / 100
            if test != (results.published_corpus, results.protocol):
                figures[f"published/{test.corpus}/{test.protocol}/{said}"] = value
                continue
            figures[f"published/{said}"] = value
            pooled = None if own is None else variant.figures[own].pooled
            if pooled is not None and variant.training.has_paper_encoders and not figure.uncertain:
                figures[f"published/{said}_difference"] = pooled - value
    return figures
