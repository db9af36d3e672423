"""What a benchmark has for its run in MLflow: remembered in its workspace, and uploaded, now or later.

``<workspace>/tracking/<benchmark id>/`` holds ``run.json`` (as ``jobs.tracking`` writes it), one small file a whole
fold with the place of its folder, and ``results.json`` with the places of results, report and tables. Places within the
workspace are relative to it, so that it may be moved. On a cluster they are elsewhere, and gone with the pod: where an
upload fails, ``kept/`` takes copies, and where it succeeds, nothing is remembered. MLflow itself knows what it has
already: an upload that was cut short is completed, and nothing goes up twice.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merflow.contracts.progress import say
from merflow.contracts.protocols import NONE_PAPER
from merflow.errors import TrackingError
from merflow.evaluation.report.figures import confusion_figure, learning_figure
from merflow.evaluation.results import read_results
from merflow.runs import fold_folder
from merflow.runs.workspace import Workspace
from merflow.storage.local import read_json, read_record, replacing, replacing_folder, write_json
from merflow.tracking.connection import tracking_uri
from merflow.tracking.facts import FoldFacts
from merflow.tracking.mlflow_runs import BenchmarkRun, open_benchmark

_RUN, _RESULTS, _FOLDS, _KEPT = "run.json", "results.json", "fold-*.json", "kept"
# Where a pod of KFP has its copy of what lies in an object store.
OBJECT_STORES = tuple(map(Path, ("/gcs", "/minio", "/oci", "/s3")))
# What is taken of these records.
_RUN_KEYS = ("uri", "experiment", "name", "benchmark_id", "tags", "params", "workspace")
_RESULT_KEYS = ("files", "command")
_AGAIN = "run the benchmark's own command again, which keeps its finished folds and remembers them anew"
# Of a search in the folder of `merflow tune`, and in that of a pipeline.
_SEARCHES = ("search.json", "study.json")


@dataclass(frozen=True)
class Uploaded:
    """What one benchmark's upload did.

    Attributes:
        name: Of the benchmark's run.
        run_id: MLflow's id of it.
        uri: Where MLflow is.
        folds: Whole folds there are.
        new_folds: Of them, those that MLflow lacked.
        results: Whether there are results.
        new_results: Whether MLflow lacked them.
    """

    name: str
    run_id: str
    uri: str
    folds: int
    new_folds: int
    results: bool
    new_results: bool


def remember_run(facts: Mapping[str, Any]) -> None:
    """Remembers the benchmark.

    Raises:
        OutputError: The workspace cannot be written.
    """
    write_json(record_of(facts) / _RUN, dict(facts))


def remember_fold(facts: Mapping[str, Any], folder: Path) -> None:
    """Remembers a whole fold."""
    fold = fold_folder.read_facts(folder)
    name = f"fold-{fold['variant'].replace(':', '_')}-{fold['fold']}-{fold['seed']}.json"
    write_json(record_of(facts) / name, {"folder": _place(folder, facts)})


def remember_results(facts: Mapping[str, Any], *, files: Mapping[str, Path], command: str) -> None:
    """Remembers the results, the report and so on, by their names in MLflow."""
    places = {name: _place(path, facts) for name, path in files.items()}
    write_json(record_of(facts) / _RESULTS, {"files": places, "command": command})


def keep(facts: Mapping[str, Any]) -> None:
    """Copies into the workspace what would be gone with this pod, for a later upload; nothing on other machines.

    Raises:
        OutputError: The workspace cannot be written.
    """
    record = record_of(facts)
    for path in sorted(record.glob(_FOLDS)):
        folder = Path(read_json(path)["folder"])
        if goes_with_the_pod(folder):
            with replacing_folder(record / _KEPT / path.stem) as part:
                shutil.copytree(folder, part, dirs_exist_ok=True)
            write_json(path, {"folder": _place(record / _KEPT / path.stem, facts)})
    results = read_json(record / _RESULTS)
    for name, place in results["files"].items():
        if goes_with_the_pod(Path(place)):
            with replacing(record / _KEPT / name) as part:
                shutil.copyfile(place, part)
            results["files"][name] = _place(record / _KEPT / name, facts)
    write_json(record / _RESULTS, results)


def forget(facts: Mapping[str, Any]) -> None:
    """After an upload from a pod: its files are found in MLflow alone, and what an earlier try kept is not needed."""
    record = record_of(facts)
    if any(goes_with_the_pod(Path(read_json(path)["folder"])) for path in record.glob(_FOLDS)):
        shutil.rmtree(record)


def goes_with_the_pod(path: Path) -> bool:
    """Whether this is a pod's own copy of what lies in an object store."""
    return path.exists() and any(path.is_relative_to(store) for store in OBJECT_STORES)


def record_of(facts: Mapping[str, Any]) -> Path:
    """The folder in which a benchmark is remembered."""
    return Workspace(Path(facts["workspace"])).tracked / str(facts["benchmark_id"])


def sync(root: Path, *, uri: str | None) -> list[Uploaded]:
    """Uploads what MLflow lacks of every benchmark in a folder.

    Args:
        root: What was ``--out`` of a benchmark.
        uri: Where to upload to; None for where each benchmark was to be tracked.

    Raises:
        TrackingError: The folder remembers no benchmark, ``uri`` is no place to track, a file of the benchmark is gone,
            or the server cannot be reached or refuses.
        EvaluationError: A fold's folder is gone.
    """
    records = sorted(path.parent for path in Workspace(root).tracked.glob(f"*/{_RUN}"))
    if not records:
        search = next((name for name in _SEARCHES if (root / name).is_file()), None)
        if search is not None:
            raise TrackingError(
                f"{root} is the folder of a search ({search}), which sync does not upload; the command that made it "
                "does: run it again, and it tries nothing anew and uploads what MLflow lacks (--set tracking.uri=URI "
                "for another server)"
            )
        raise TrackingError(
            f"{root} remembers no benchmark (no {Workspace(root).tracked}/*/{_RUN}); pass the --out folder of "
            "`merflow benchmark` or `merflow pipeline run` that ran with tracking.uri other than none"
        )
    return [upload(record, uri=None if uri is None else tracking_uri(uri, folder=root)) for record in records]


def upload(record: Path, *, uri: str | None) -> Uploaded:
    """Uploads what MLflow lacks of one remembered benchmark.

    Raises:
        TrackingError: A file of the benchmark is gone, or the server cannot be reached or refuses.
        EvaluationError: A fold's folder is gone.
        MerflowError: What is remembered is of another version, and nothing was uploaded.
    """
    facts = read_record(record / _RUN, keys=_RUN_KEYS, mend=_AGAIN)
    results = record / _RESULTS
    evaluated = read_record(results, keys=_RESULT_KEYS, mend=_AGAIN) if results.is_file() else None
    where = uri or facts["uri"]
    root = record.parents[1]
    remembered = [
        root / read_record(path, keys=["folder"], mend=_AGAIN)["folder"] for path in sorted(record.glob(_FOLDS))
    ]
    trained = {
        folder: _facts_of(fold_folder.read_facts(folder), corpus=facts["tags"]["corpus"]) for folder in remembered
    }
    run = opened(facts, uri=where)
    run_id = run.open()
    new_folds = 0
    for number, (folder, fold) in enumerate(trained.items(), start=1):
        if run.log_finished_fold(folder, fold):
            new_folds += 1
            say(f"track: uploaded {fold.name} ({number} of {len(trained)})")
    new_results = evaluated is not None and _log_results(run, trained, remembered=evaluated, root=root)
    if evaluated is None:
        say(f"track: {facts['name']} has no results yet; the same command goes on with it, and uploads them")
    return Uploaded(facts["name"], run_id, where, len(trained), new_folds, evaluated is not None, new_results)


def opened(facts: Mapping[str, Any], *, uri: str | None = None) -> BenchmarkRun:
    """The run of a ``run.json``, not looked up yet."""
    return open_benchmark(
        uri or facts["uri"],
        experiment=facts["experiment"],
        name=facts["name"],
        benchmark_id=facts["benchmark_id"],
        tags=facts["tags"],
        params=facts["params"],
        artifact_root=None,
    )


def _log_results(
    run: BenchmarkRun, trained: Mapping[Path, FoldFacts], *, remembered: Mapping[str, Any], root: Path
) -> bool:
    files = {name: root / place for name, place in remembered["files"].items()}
    for path in files.values():
        if not path.is_file():
            raise TrackingError(f"{path} is gone; run the benchmark again, which writes it anew and uploads it")
    results = read_results(files[_RESULTS])
    return run.log_results(
        results,
        variants={facts.variant: facts for facts in trained.values() if facts.variant in results["variants"]},
        files=files,
        figures=lambda variant: _figures(variant, results=results, trained=trained),
        command=remembered["command"],
    )


def _figures(variant: str, *, results: Mapping[str, Any], trained: Mapping[Path, FoldFacts]) -> dict[str, Any]:
    """Pictures of a variant by file name: its confusion matrix, and the learning curves of each seed."""
    entry = results["variants"][variant]
    ours = {folder: facts for folder, facts in trained.items() if facts.variant == variant}
    drawn = {"confusion.png": confusion_figure(entry["confusion"], classes=results["classes"], title=variant)}
    for seed in sorted({facts.seed for facts in ours.values()}):
        drawn["learning.png" if not seed else f"learning-seed-{seed}.png"] = learning_figure(
            {facts.fold: fold_folder.read_history(folder) for folder, facts in ours.items() if facts.seed == seed},
            title=variant if not seed else f"{variant}, seed {seed}",
            chosen={row["fold"]: row["best_epoch"] for row in entry["folds"] if row["seed"] == seed},
        )
    return drawn


def _facts_of(fold: Mapping[str, Any], *, corpus: str) -> FoldFacts:
    return FoldFacts(
        variant=fold["variant"],
        fold=fold["fold"],
        seed=fold["seed"],
        fingerprint=fold["fingerprint"],
        corpus=corpus,
        manifest_hash=fold["manifest_hash"],
        split_id=fold["split_id"],
        protocol=fold["protocol"],
        selection=fold["selection"],
        promotable=fold["selection"] != NONE_PAPER,
        git_commit=fold["git_commit"],
        params=fold["params"],
        origin=fold.get("origin", {}),
    )


def _place(path: Path, facts: Mapping[str, Any]) -> str:
    """Relative to the workspace where it lies in there, else absolute."""
    root, place = Path(facts["workspace"]), path.resolve()
    return str(place.relative_to(root) if place.is_relative_to(root) else place)
