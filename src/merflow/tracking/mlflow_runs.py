"""A benchmark as an MLflow run with one child run a fold."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.errors import TrackingError
from merflow.tracking.connection import Connection
from merflow.tracking.fold_run import UPLOADED_TAG, FoldFacts, FoldRun
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    Parent,
    experiment_id,
    find_runs,
    get_or_create,
    log_metrics,
    log_params,
    loggable,
    upload,
)

logger = logging.getLogger(__name__)


class BenchmarkRun:
    """The parent run. Nothing but a wrong setting raises: a server that is down is a warning, tried again a fold later.

    Attributes:
        benchmark_id: What finds the same run again, from any process.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        experiment: str,
        name: str,
        benchmark_id: str,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        artifact_root: str | None,
    ) -> None:
        self.benchmark_id = benchmark_id
        self._connection = connection
        self._experiment_name = experiment
        self._name = name
        self._tags = dict(tags)
        self._params = dict(params)
        self._artifact_root = artifact_root
        self._opened: Parent | None = None
        self._attempt("open the benchmark's run", self._open)

    @property
    def run_id(self) -> str | None:
        """MLflow's id; None as long as the server cannot be reached."""
        return None if self._opened is None else self._opened.run_id

    def fold(self, facts: FoldFacts) -> FoldRun:
        """The run of one fold, made or continued."""
        return FoldRun(facts, self._parent)

    def log_finished_fold(self, folder: Path, facts: FoldFacts) -> None:
        """Logs a fold from its files where its own run is missing or incomplete, else does nothing.

        A fold's training may come from a cache, or the server may have been down.
        """
        complete: list[Any] = []
        self._attempt(f"look up {facts.name}", lambda: complete.extend(self._complete_runs(facts)))
        if not complete:
            with self.fold(facts) as run:
                run.log_folder(folder)

    def log_results(
        self,
        results: Mapping[str, Any],
        *,
        files: Sequence[Path],
        figures: Mapping[str, Any],
    ) -> None:
        """The benchmark's figures, each fold's test figures, and files; ends the run as FINISHED.

        Args:
            results: Content of ``results.json``.
            files: report.html, results.json, predictions and so on; folders go whole.
            figures: Matplotlib figures by file name, for example ``confusion/context-mmt_mmt-frozen.png``.
        """
        self._attempt("log the results", lambda: self._log_results(results, files=files, figures=figures))
        self.finish("FINISHED")

    def finish(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED; folds that a kill left RUNNING are ended as KILLED."""
        self._attempt("end the benchmark's run", lambda: self._finish(status))

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except TrackingError as error:
            logger.warning("could not %s: %s", what, error)

    def _open(self) -> None:
        with self._connection.exclusive():
            experiment = experiment_id(self._connection, self._experiment_name, artifact_root=self._artifact_root)
            run, continued = get_or_create(
                self._connection,
                experiment,
                name=self._name,
                identity={BENCHMARK_TAG: self.benchmark_id, KIND_TAG: "benchmark"},
                tags={**self._tags, "mlflow.source.name": "merflow"},
            )
        run_id = str(run.info.run_id)
        if continued and run.info.status != "RUNNING":
            self._connection.call("update_run", run_id, status="RUNNING")
        log_params(self._connection, run, self._params)
        self._opened = Parent(self._connection, experiment, run_id, self.benchmark_id)

    def _parent(self) -> Parent:
        if self._opened is None:
            self._open()
        assert self._opened is not None
        return self._opened

    def _folds(self, tags: Mapping[str, str]) -> list[Any]:
        parent = self._parent()
        identity = {BENCHMARK_TAG: self.benchmark_id, KIND_TAG: "fold", **tags}
        return find_runs(parent.connection, parent.experiment, identity)

    def _complete_runs(self, facts: FoldFacts) -> list[Any]:
        return [run for run in self._folds({**facts.identity, UPLOADED_TAG: "true"}) if run.info.status == "FINISHED"]

    def _log_results(self, results: Mapping[str, Any], *, files: Sequence[Path], figures: Mapping[str, Any]) -> None:
        parent = self._parent()
        connection, run_id = parent.connection, parent.run_id
        variants = results["variants"]
        rows = [row for name, variant in variants.items() for row in _variant_metrics(name, variant)]
        best = max(variants, key=lambda name: variants[name]["UA"]["pooled"])
        rows += [("best.UA", variants[best]["UA"]["pooled"], 0), ("best.WA", variants[best]["WA"]["pooled"], 0)]
        log_metrics(connection, run_id, rows)
        connection.call("set_tag", run_id, "best_variant", best)
        connection.call("set_tag", run_id, "mlflow.note.content", _note(results))
        self._log_fold_figures(variants)
        for path in files:
            upload(connection, run_id, path)
        for name, figure in figures.items():
            connection.call("log_figure", run_id, figure, name)

    def _log_fold_figures(self, variants: Mapping[str, Any]) -> None:
        """Test figures of each fold on its own run."""
        runs = {
            (run.data.tags["variant"], int(run.data.tags["fold"]), int(run.data.tags["seed"])): run
            for run in self._folds({})
        }
        for name, variant in variants.items():
            for fold in variant["folds"]:
                run = runs.get((name, fold["fold"], fold["seed"]))
                if run is not None:
                    figures = {f"test_{key}": fold[key] for key in ("UA", "WA", "macro_f1", "weighted_f1", "ece")}
                    log_metrics(self._connection, run.info.run_id, loggable(figures, step=0))

    def _finish(self, status: str) -> None:
        parent = self._parent()
        for run in self._folds({}):
            if run.info.status == "RUNNING":
                parent.connection.call("set_terminated", run.info.run_id, status="KILLED")
        parent.connection.call("set_terminated", parent.run_id, status=status)


def open_benchmark(
    uri: str,
    *,
    experiment: str,
    name: str,
    benchmark_id: str,
    tags: Mapping[str, str],
    params: Mapping[str, object],
    artifact_root: Path | None,
) -> BenchmarkRun:
    """The benchmark's run, made or continued; call it once before processes that open it again in parallel.

    Args:
        uri: As :func:`merflow.tracking.connection.tracking_uri` gives it.
        experiment: MLflow experiment, made where there is none.
        name: The run's name for people.
        benchmark_id: The same for every process and every repetition of this benchmark.
        tags: Corpus, manifest hash, split id, protocol, git commit (``mlflow.source.git.commit``).
        params: Settings; nested ones get dotted names.
        artifact_root: Where a new experiment keeps files; None for the server's own place, or beside the SQLite file.

    Raises:
        TrackingError: MLflow is not installed, or the URI is none.
        OutputError: The SQLite file's folder cannot be made.
    """
    connection = Connection(uri)
    if artifact_root is None and connection.database is not None:
        artifact_root = connection.database.with_name("mlartifacts")
    return BenchmarkRun(
        connection,
        experiment=experiment,
        name=name,
        benchmark_id=benchmark_id,
        tags=tags,
        params=params,
        artifact_root=None if artifact_root is None else artifact_root.resolve().as_uri(),
    )


def metric_prefix(variant: str) -> str:
    """A variant's name as MLflow lets it begin a metric's name on every system."""
    return variant.replace(":", "_")


def _variant_metrics(name: str, variant: Mapping[str, Any]) -> list[tuple[str, float, int]]:
    figures = {
        "UA": variant["UA"]["pooled"],
        "UA_mean": variant["UA"]["mean"],
        "UA_std": variant["UA"]["std"],
        "WA": variant["WA"]["pooled"],
        "macro_f1": variant["macro_f1"],
        "weighted_f1": variant["weighted_f1"],
        "ece": variant["ece"],
        "UA_std_over_seeds": variant["over_seeds"]["UA"]["std"],
        # Not comparable with the others: the epoch that the test part itself likes best.
        **({"none_paper_bias_UA": variant["none_paper"]["bias"]["UA"]["pooled"]} if variant["none_paper"] else {}),
    }
    return loggable({f"{metric_prefix(name)}.{key}": value for key, value in figures.items()}, step=0)


def _note(results: Mapping[str, Any]) -> str:
    """The run's description in MLflow: a Markdown table of the variants."""
    variants = results["variants"]
    lines = [
        f"{results['corpus']}, {results['protocol']}, split {results['split_id']}. Pooled over all folds; "
        "intervals are 95 % bootstrap over dialogues.",
        "",
        "| variant | UA | interval | WA | macro F1 |",
        "|---|---|---|---|---|",
    ]
    for name in sorted(variants, key=lambda name: -variants[name]["UA"]["pooled"]):
        variant = variants[name]
        interval = variant["UA"]["ci95"]
        bounds = "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
        lines.append(
            f"| {name} | {variant['UA']['pooled']:.3f} | {bounds} | {variant['WA']['pooled']:.3f} "
            f"| {variant['macro_f1']:.3f} |"
        )
    return "\n".join(lines)
