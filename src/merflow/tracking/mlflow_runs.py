"""A benchmark as an MLflow run: below it one a variant, and below that one a fold."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from merflow.storage.local import digest
from merflow.tracking.connection import Connection
from merflow.tracking.facts import FoldFacts
from merflow.tracking.fold_run import FoldRun
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

    def open(self) -> str:
        """MLflow's id of the run, which is RUNNING from now on.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        return self._parent().run_id

    def fold(self, facts: FoldFacts, *, system_metrics_every_s: float) -> FoldRun:
        """The run of one fold that trains now, made or continued; its failures are warnings.

        Args:
            facts: Which fold.
            system_metrics_every_s: Seconds between measurements of the machine; 0 for none.
        """
        machine = Sampler(every_s=system_metrics_every_s) if system_metrics_every_s else None
        return FoldRun(facts, self._parent, machine=machine, forgiving=True)

    def log_finished_fold(self, folder: Path, facts: FoldFacts) -> bool:
        """Logs a fold from its files where its own run is missing or incomplete, else does nothing.

        A fold's training may come from a cache, or the server may have been down.

        Returns:
            Whether there was anything to log.

        Raises:
            TrackingError: The server cannot be reached or refuses.
        """
        runs = self._runs("fold", {**facts.identity, UPLOADED_TAG: facts.fingerprint})
        if any(run.info.status == "FINISHED" for run in runs):
            return False
        FoldRun(facts, self._parent, machine=None, forgiving=False).log_folder(folder)
        return True

    def log_results(
        self,
        results: Mapping[str, Any],
        *,
        variants: Mapping[str, FoldFacts],
        files: Mapping[str, Path],
        figures: Callable[[str], Mapping[str, Any]],
        command: str,
    ) -> bool:
        """The figures of the benchmark, its variants and folds, and files; ends the run as FINISHED.

        Folds that a kill left RUNNING are ended as KILLED.

        Args:
            results: Content of ``results.json``.
            variants: Variant -> facts of any of its folds.
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
        for name, facts in variants.items():
            log_variant(parent, facts, results, figures=figures(name))
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
                    name=self._name,
                    identity={BENCHMARK_TAG: self.benchmark_id, KIND_TAG: "benchmark"},
                    tags={**self._tags, **SOURCE_TAGS},
                )
            run_id = str(run.info.run_id)
            if continued and run.info.status != "RUNNING":
                self._connection.call("update_run", run_id, status="RUNNING")
            log_params(self._connection, run, self._params)
            self._opened = Parent(self._connection, experiment, run_id, self.benchmark_id)
        return self._opened

    def _experiment(self) -> str:
        with self._connection.exclusive():
            return experiment_id(self._connection, self._experiment_name, artifact_root=self._artifact_root)

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
    """The benchmark's run; open it once before processes that open it again in parallel.

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


def _digest(results: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    contents = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    return digest({"results": results, "files": contents})
