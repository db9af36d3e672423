"""A benchmark as an MLflow run: below it one a variant, and below that one a fold."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from merflow.contracts.fold_record import PlannedFold
from merflow.contracts.tracked_run import TrackedRun
from merflow.storage.local import digest
from merflow.tracking.connection import Connection
from merflow.tracking.fold_run import FoldRun
from merflow.tracking.fold_tags import identity
from merflow.tracking.machine import Sampler
from merflow.tracking.notes import benchmark_note, fold_note
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
from merflow.tracking.variant_run import log_variant

_FOLD_FIGURES = ("UA", "WA", "macro_f1", "weighted_f1", "ece")
# Under the names of their curves, MLflow's tables show the last epoch; these are of the chosen one.
_CHOSEN = {"chosen/epoch": "best_epoch", "chosen/dev_ua": "dev_ua", "chosen/dev_loss": "dev_loss"}


class BenchmarkRun:
    """The parent run, opened when it is first needed, and tried again where that failed.

    Attributes:
        benchmark_id: What finds the same run again, from any process.
    """

    def __init__(self, connection: Connection, run: TrackedRun) -> None:
        self.benchmark_id = run.benchmark_id
        self._connection = connection
        self._run = run
        self._opened: Parent | None = None

    def open(self) -> str:
        """MLflow's id of the run, which is RUNNING from now on.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return self._parent().run_id

    def fold(self, fold: PlannedFold) -> FoldRun:
        """Open or continue the run of a fold that trains now; its failures are warnings."""
        every_s = self._run.system_metrics_every_s
        machine = Sampler(every_s=every_s) if every_s else None
        return FoldRun(fold, self._parent, machine=machine, forgiving=True)

    def log_finished_fold(self, folder: Path, fold: PlannedFold) -> bool:
        """Logs a fold from its files where its own run is missing or incomplete, else does nothing.

        A fold's training may come from a cache, or the server may have been down.

        Returns:
            Whether there was anything to log.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        runs = self._runs("fold", {**identity(fold), UPLOADED_TAG: fold.fingerprint})
        if any(run.info.status == "FINISHED" for run in runs):
            return False
        FoldRun(fold, self._parent, machine=None, forgiving=False).log_folder(folder)
        return True

    def log_results(
        self,
        results: Mapping[str, Any],
        *,
        variants: Mapping[str, PlannedFold],
        files: Mapping[str, Path],
        figures: Callable[[str], Mapping[str, Any]],
        command: str,
    ) -> bool:
        """The figures of the benchmark, its variants and folds, and files; ends the run as FINISHED.

        Folds that a kill left RUNNING are ended as KILLED.

        Args:
            results: Content of ``results.json``.
            variants: Any fold of each variant.
            files: Text files by their names in MLflow: report.html, results.json; a pipeline's have none on disk.
            figures: Variant -> Matplotlib figures by file name, drawn where they are needed.
            command: What reproduces the run.

        Returns:
            Whether there was anything to log: the same results and files are not logged twice.

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
        self._log_folds(results["variants"])
        self._log_benchmark(results, command=command)
        for name, path in files.items():
            self._connection.call("log_text", parent.run_id, path.read_text(encoding="utf-8"), name)
        self._connection.call("set_tag", parent.run_id, UPLOADED_TAG, content)
        self.finish("FINISHED")
        return True

    def finish(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED; what is RUNNING below it is ended as KILLED.

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
                    tags={**self._run.tags, **SOURCE_TAGS},
                )
            run_id = str(run.info.run_id)
            if continued and run.info.status != "RUNNING":
                self._connection.call("update_run", run_id, status="RUNNING")
            log_params(self._connection, run, self._run.params)
            self._opened = Parent(self._connection, experiment, run_id, self.benchmark_id)
        return self._opened

    def _experiment(self) -> str:
        database = self._connection.database
        root = None if database is None else database.with_name("mlartifacts").resolve().as_uri()
        with self._connection.exclusive():
            return experiment_id(self._connection, self._run.experiment, artifact_root=root)

    def _runs(self, kind: str, tags: Mapping[str, str]) -> list[Any]:
        identity = {BENCHMARK_TAG: self.benchmark_id, KIND_TAG: kind, **tags}
        return find_runs(self._connection, self._experiment(), identity)

    def _log_benchmark(self, results: Mapping[str, Any], *, command: str) -> None:
        variants = results["variants"]
        run = self._runs("benchmark", {})[0]
        best = max(variants, key=lambda name: variants[name]["UA"]["pooled"])
        figures = {"best_UA": variants[best]["UA"]["pooled"], "best_WA": variants[best]["WA"]["pooled"]}
        figures |= {f"baseline/{name}_UA": baseline["UA"] for name, baseline in results["baselines"].items()}
        log_figures(self._connection, run, {**figures, "variants": len(variants), "utterances": results["utterances"]})
        set_tags(self._connection, run, {"best_variant": best, NOTE_TAG: benchmark_note(results, command=command)})

    def _log_folds(self, variants: Mapping[str, Any]) -> None:
        """Test figures of each fold, and the development figures of its chosen epoch, on its own run."""
        rows = {
            (name, fold["fold"], fold["seed"]): (fold, variant["selection"])
            for name, variant in variants.items()
            for fold in variant["folds"]
        }
        for run in self._runs("fold", {}):
            tags = run.data.tags
            fold, selection = rows.get((tags["variant"], int(tags["fold"]), int(tags["seed"])), (None, ""))
            if fold is None:
                continue
            figures = {f"test_{key}": fold[key] for key in _FOLD_FIGURES}
            figures |= {name: fold[key] for name, key in _CHOSEN.items()}
            log_figures(self._connection, run, figures)
            set_tags(self._connection, run, {NOTE_TAG: fold_note(fold, selection=selection)})


def open_benchmark(run: TrackedRun, *, uri: str | None = None) -> BenchmarkRun:
    """Return the benchmark's run, not looked up yet; open it once before processes that open it in parallel.

    A new experiment keeps its files where the server says, or beside the SQLite file.

    Args:
        run: The benchmark.
        uri: A server or database to use in place of the run's own.

    Raises:
        TrackingError: MLflow is not installed, or cannot track at the URI.
        OutputError: The SQLite file's folder cannot be made.
    """
    location = uri or run.uri
    assert location is not None, "the caller tracks nothing where the run has no URI"
    return BenchmarkRun(Connection(location), run)


def _digest(results: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    contents = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return digest({"results": results, "files": contents})
