"""A benchmark as an MLflow run, with a child run per variant and, below that, one per fold."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.pod_environment import PodEnvironment
from merflow.contracts.results import Results
from merflow.contracts.score_figures import FoldFigures
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.contracts.scores import FoldScore, Training
from merflow.contracts.tracked_run import TrackedRun
from merflow.storage.local import digest
from merflow.tracking.connection import Connection
from merflow.tracking.fold_run import FoldRun
from merflow.tracking.fold_tags import identity
from merflow.tracking.machine import Sampler
from merflow.tracking.notes import benchmark_note, fold_note
from merflow.tracking.plugin_run import link_plugin_run
from merflow.tracking.runs import (
    BENCHMARK_TAG,
    KIND_TAG,
    NOTE_TAG,
    SOURCE_TAGS,
    UPLOADED_TAG,
    Parent,
    experiment_id,
    find_runs,
    get_or_create,
    log_figures,
    log_params,
    set_tags,
)
from merflow.tracking.score_figures import benchmark_figures, fold_figures
from merflow.tracking.variant_run import log_variant


class BenchmarkRun:
    """The parent run; it is opened when it is first needed, and again if that failed.

    Attributes:
        benchmark_id: Id that finds the same run again, from any process.
    """

    def __init__(self, connection: Connection, run: TrackedRun) -> None:
        self.benchmark_id = run.benchmark_id
        self._connection = connection
        self._run = run
        self._opened: Parent | None = None
        self._pod = PodEnvironment.read(os.environ)

    def open(self) -> str:
        """Open the run, which is RUNNING from now on, and return MLflow's id of it.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return self._parent().run_id

    def page(self, *, ui: str) -> str:
        """Return the address of the run's page.

        Args:
            ui: Address at which people open MLflow.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        parent = self._parent()
        return f"{ui.rstrip('/')}/#/experiments/{parent.experiment}/runs/{parent.run_id}"

    def fold(self, fold: PlannedFold) -> FoldRun:
        """Open or continue the run of a fold that trains now; its failures are warnings."""
        every_s = self._run.system_metrics_every_s
        machine = Sampler(every_s=every_s) if every_s else None
        opened = FoldRun(fold, self._parent, machine=machine, forgiving=True, tags=self._pod.tags())
        if opened.run_id is not None:
            link_plugin_run(self._pod, uri=self._connection.uri, run_id=opened.run_id)
        return opened

    def has_finished(self, fold: PlannedFold) -> bool:
        """Return True if the fold's own run is complete.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        runs = self._runs("fold", {**identity(fold), UPLOADED_TAG: fold.fingerprint})
        return any(run.info.status == "FINISHED" for run in runs)

    def log_finished_fold(self, folder: Path, fold: PlannedFold) -> bool:
        """Log a fold from its files if its own run is missing or incomplete.

        A fold may come from a cache, or the server may have been down while it trained.

        Returns:
            True if there was anything to log.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        if self.has_finished(fold):
            return False
        FoldRun(fold, self._parent, machine=None, forgiving=False).log_folder(folder)
        return True

    def log_results(
        self,
        results: AnyResults,
        *,
        variants: Mapping[str, PlannedFold],
        files: Mapping[str, Path],
        figures: Callable[[str], Mapping[str, Any]],
        command: str,
    ) -> bool:
        """Log the figures of the benchmark, its variants and its folds, upload files, and end the run as FINISHED.

        Fold runs that a kill left RUNNING end as KILLED.

        Args:
            results: The benchmark's results.
            variants: Any fold of each variant.
            files: Text files by their names in MLflow, such as ``report.html``; on disk they may have other names.
            figures: Draws a variant's Matplotlib figures, by file name; called only if they are logged.
            command: The command that reproduces the run.

        Returns:
            True if there was anything to log: the same results and files are not logged twice.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        content = _digest(results, files)
        uploaded = self._runs("benchmark", {UPLOADED_TAG: content})
        if uploaded:
            if uploaded[0].info.status != "FINISHED":
                self.finish("FINISHED")
            return False
        parent = self._parent()
        for name, fold in variants.items():
            log_variant(parent, fold, results, figures=figures(name))
        self._log_folds(results)
        self._log_benchmark(results, command=command)
        for name, path in files.items():
            self._connection.call("log_text", parent.run_id, path.read_text(encoding="utf-8"), name)
        self._connection.call("set_tag", parent.run_id, UPLOADED_TAG, content)
        self.finish("FINISHED")
        return True

    def finish(self, status: str) -> None:
        """End the run as FINISHED, FAILED or KILLED; children that are still RUNNING end as KILLED.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        parent = self._parent()
        for kind in ("fold", "variant"):
            for run in self._runs(kind, {}):
                if run.info.status == "RUNNING":
                    parent.connection.call("set_terminated", run.info.run_id, status="KILLED")
        parent.connection.call("set_terminated", parent.run_id, status=status)

    def _parent(self) -> Parent:
        if self._opened is None:
            experiment = self._experiment()
            with self._connection.exclusive():
                run, continued = get_or_create(
                    self._connection,
                    experiment,
                    name=self._run.name,
                    identity={BENCHMARK_TAG: self.benchmark_id, KIND_TAG: "benchmark"},
                    tags={**self._run.tags, **self._run.data_tags, **self._pod.tags(), **SOURCE_TAGS},
                )
            run_id = str(run.info.run_id)
            if continued and run.info.status != "RUNNING":
                self._connection.call("update_run", run_id, status="RUNNING")
            log_params(self._connection, run, self._run.params)
            self._opened = Parent(
                self._connection,
                experiment,
                run_id,
                self.benchmark_id,
                data_tags=self._run.data_tags,
                data_url=self._run.data_url,
            )
        return self._opened

    def _experiment(self) -> str:
        database = self._connection.database
        root = None if database is None else database.with_name("mlartifacts").resolve().as_uri()
        with self._connection.exclusive():
            return experiment_id(self._connection, self._run.experiment, artifact_root=root)

    def _runs(self, kind: str, tags: Mapping[str, str]) -> list[Any]:
        identity = {BENCHMARK_TAG: self.benchmark_id, KIND_TAG: kind, **tags}
        return find_runs(self._connection, self._experiment(), identity)

    def _log_benchmark(self, results: AnyResults, *, command: str) -> None:
        run = self._runs("benchmark", {})[0]
        against = results.best_classic(results.best)
        figures = benchmark_figures(results) if isinstance(results, ScoreResults) else _benchmark_figures(results)
        counts = {"variants": len(results.variants), "utterances": results.utterances}
        log_figures(self._connection, run, {**figures, **counts})
        tags = {
            **self._pod.tags(),
            "best_variant": results.best,
            **({} if against is None else {"best_classic": against.classic}),
            NOTE_TAG: benchmark_note(results, command=command),
        }
        set_tags(self._connection, run, tags)

    def _log_folds(self, results: AnyResults) -> None:
        """Log the test figures of each fold, and the development figures of its chosen epoch, on its own run."""
        rows: dict[tuple[str, int, int], tuple[FoldScore | FoldFigures, Training]] = {
            (name, score.fold, score.seed): (score, variant.training)
            for name, variant in results.variants.items()
            for score in variant.folds
        }
        for run in self._runs("fold", {}):
            tags = run.data.tags
            row = rows.get((tags["variant"], int(tags["fold"]), int(tags["seed"])))
            if row is None:
                continue
            score, training = row
            figures = fold_figures(score) if isinstance(score, FoldFigures) else _fold_figures(score)
            log_figures(self._connection, run, figures)
            set_tags(self._connection, run, {NOTE_TAG: fold_note(score, training=training)})


def open_benchmark(run: TrackedRun, *, uri: str | None = None) -> BenchmarkRun:
    """Return the benchmark's run, not looked up yet; open it once before processes that open it in parallel.

    A new experiment keeps its files where the server says, or next to the SQLite file.

    Args:
        run: The benchmark.
        uri: A server or database to use instead of the run's own.

    Raises:
        TrackingError: MLflow is not installed, or cannot track at the URI.
        OutputError: The SQLite file's folder cannot be made.
    """
    location = uri or run.uri
    assert location is not None, "the caller tracks nothing if the run has no URI"
    return BenchmarkRun(Connection(location), run)


def _benchmark_figures(results: Results) -> dict[str, float | None]:
    best = results.variants[results.best]
    against = results.best_classic(results.best)
    return {
        "best_UA": best.ua.pooled,
        "best_WA": best.wa.pooled,
        **{f"baseline/{name}_UA": baseline.ua for name, baseline in results.baselines.items()},
        **{f"classic/{name.partition(':')[2]}_UA": score.ua.pooled for name, score in results.classics.items()},
        **({} if against is None else {"best_UA_minus_classic": against.delta_ua}),
    }


def _fold_figures(score: FoldScore) -> dict[str, float | None]:
    return {
        "test_UA": score.ua,
        "test_WA": score.wa,
        "test_macro_f1": score.macro_f1,
        "test_weighted_f1": score.weighted_f1,
        "test_ece": score.ece,
        # Under the names of their curves, MLflow's tables show the last epoch; these are of the chosen one.
        "chosen/epoch": score.chosen_epoch,
        "chosen/dev_ua": score.dev_ua,
        "chosen/dev_loss": score.dev_loss,
    }


def _digest(results: AnyResults, files: Mapping[str, Path]) -> str:
    contents = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return digest({"results": results.as_json(), "files": contents})
