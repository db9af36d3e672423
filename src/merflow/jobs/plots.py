"""Results and histories as small tables that ``dvc metrics`` and ``dvc plots`` compare between revisions."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from merflow.contracts.history import read_history
from merflow.contracts.progress import say
from merflow.errors import EvaluationError
from merflow.evaluation.report.plot_tables import Histories, confusion_rows, headline, learning_curves, reliability_bins
from merflow.evaluation.results import read_results
from merflow.runs import fold_folder
from merflow.storage.local import replacing_folder, write_json


def plots(trained: Sequence[Path], *, results: Path, metrics: Path, out: Path) -> None:
    """Writes the headline figures as JSON, and learning curves, confusion and reliability as a CSV a variant each.

    Args:
        trained: Fold folders that the results are of.
        results: What ``jobs.evaluate`` wrote.
        metrics: JSON to write: variant -> UA, WA, macro F1, calibration error.
        out: Folder for ``learning/``, ``confusion/`` and ``reliability/``; what it held is replaced.

    Raises:
        EvaluationError: A variant of the results has no fold among these.
        OutputError: A file cannot be written.
    """
    found = read_results(results)
    histories = _histories(trained)
    lacking = sorted(set(found["variants"]) - set(histories))
    if lacking:
        raise EvaluationError(
            f"{results} has {', '.join(lacking)}, no fold given is of it; give every fold that was evaluated"
        )
    with replacing_folder(out) as part:
        for variant, entry in found["variants"].items():
            _write(learning_curves(histories[variant]), part / "learning" / f"{variant}.csv")
            _write(confusion_rows(entry["confusion"], classes=found["classes"]), part / "confusion" / f"{variant}.csv")
            _write(reliability_bins(entry["reliability"]), part / "reliability" / f"{variant}.csv")
    write_json(metrics, headline(found))
    say(f"plots: {len(found['variants'])} variant(s) in {out}, figures in {metrics}")


def _histories(trained: Sequence[Path]) -> dict[str, Histories]:
    nested: dict[str, dict[tuple[int, int], list[dict[str, float]]]] = defaultdict(dict)
    for folder in trained:
        record = fold_folder.read_record(folder)
        nested[record.variant][record.fold, record.seed] = [epoch.row for epoch in read_history(folder)]
    return dict(nested)


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False, lineterminator="\n")
