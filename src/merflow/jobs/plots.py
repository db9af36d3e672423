"""Small tables that ``dvc metrics`` and ``dvc plots`` compare between revisions."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from merflow.contracts.history import EpochFigures, read_history
from merflow.contracts.numerals import plural
from merflow.contracts.progress import say
from merflow.contracts.score_results import AnyResults, ScoreResults, read_any_results
from merflow.errors import EvaluationError
from merflow.evaluation.report.plot_data import (
    History,
    confusion_rows,
    error_rows,
    headline,
    learning_curves,
    reliability_bins,
    residual_rows,
    scatter_cells,
)
from merflow.runs import fold_folder
from merflow.runs.run_folder import TrainedFold
from merflow.runs.variant_names import named
from merflow.storage.local import replacing_folder, write_json


def plots(trained: Sequence[Path], *, results: Path, metrics: Path, out: Path) -> None:
    """Write the main figures as JSON, and learning curves and small tables as one CSV per variant and kind.

    Args:
        trained: Fold folders that the results were computed from.
        results: ``results.json``.
        metrics: JSON file to write: UA, WA, macro F1 and calibration error per variant, or the figures for scores.
        out: Folder for ``learning/``, ``confusion/`` and ``reliability/``, or of scores ``learning/``, ``scatter/``,
            ``residuals/`` and ``errors/``; its content is replaced.

    Raises:
        EvaluationError: A variant of the results has no fold among these.
        FormatError: Another version of merflow wrote the results or trained a fold.
        OutputError: A file cannot be written.
    """
    evaluated = read_any_results(results)
    histories = _histories(trained)
    if absent := sorted(set(evaluated.variants) - set(histories)):
        raise EvaluationError(
            f"{results} has {', '.join(absent)}, but none of the folds is of that variant; pass every fold that was "
            "evaluated"
        )
    with replacing_folder(out) as part:
        for name, tables in _tables(evaluated).items():
            for kind, table in {"learning": learning_curves(histories[name]), **tables}.items():
                _write(table, part / kind / f"{name}.csv")
    write_json(metrics, headline(evaluated))
    say(f"plots: {plural(len(evaluated.variants), 'variant')} in {out}, figures in {metrics}")


def _tables(results: AnyResults) -> dict[str, dict[str, pd.DataFrame]]:
    """Return the tables of each variant by kind, without its learning curves."""
    if isinstance(results, ScoreResults):
        return {
            name: {
                "scatter": scatter_cells(variant.cells),
                "residuals": residual_rows(variant.residuals),
                "errors": error_rows(variant.errors),
            }
            for name, variant in results.variants.items()
        }
    return {
        name: {
            "confusion": confusion_rows(variant.confusion, classes=results.classes),
            "reliability": reliability_bins(variant.reliability),
        }
        for name, variant in results.variants.items()
    }


def _histories(trained: Sequence[Path]) -> dict[str, History]:
    histories: dict[str, dict[tuple[int, int], tuple[EpochFigures, ...]]] = defaultdict(dict)
    for name, folds in named(TrainedFold(folder, fold_folder.read_record(folder)) for folder in trained).items():
        for fold in folds:
            histories[name][fold.record.fold, fold.record.seed] = read_history(fold.folder)
    return dict(histories)


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
