"""The study's run in MLflow, passed between jobs as a small JSON file, as a benchmark's is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.params import TrackingParams
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest, read_json, write_json
from merflow.tracking.connection import tracking_uri
from merflow.tracking.study_run import StudyRun, TrialFacts, open_study_run
from merflow.tuning.outcome import Outcome, TrialRow
from merflow.tuning.search import Search

_ENDED = ("complete", "pruned", "diverged", "failed")


def begin_study_run(search: Search, *, out: Path, workspace: Workspace, params: TrackingParams) -> None:
    """Makes the study's run, or finds that of an earlier try, and writes ``out``; its ``uri`` may be null.

    Raises:
        TrackingError: MLflow is not installed, or ``tracking.uri`` is no place to track.
        OutputError: The workspace cannot be written.
    """
    facts = search.facts
    run = {
        "uri": tracking_uri(params.uri, folder=workspace.root),
        "experiment": params.experiment,
        "name": f"tune {search.place.name}",
        "study_id": digest([search.place.name, facts]),
        "tags": {
            "variant": facts["variant"],
            "corpus": search.first.manifest.corpus,
            **{key: facts[key] for key in ("manifest_hash", "split_id", "protocol", "selection")},
            "mlflow.source.git.commit": git_commit(),
        },
        "params": {key: value for key, value in facts.items() if key != "space"} | {"trials": search.params.trials},
    }
    write_json(out, run)
    if run["uri"] is not None:
        _open(run)


def study_run(run: Path) -> StudyRun | None:
    """The study's run, for its trials; None where nothing is tracked."""
    facts: dict[str, Any] = read_json(run)
    return None if facts["uri"] is None else _open(facts)


def trial_facts(row: TrialRow) -> TrialFacts:
    """A trial as its run has it."""
    return TrialFacts(row.number, row.state, row.dev_ua, row.folds, row.steps, row.values, row.seconds)


def log_study(run: Path, outcome: Outcome, *, summary: dict[str, Any], files: Sequence[Path]) -> None:
    """Completes the study's run: trials that have no run of their own, figures, files."""
    tracked = study_run(run)
    if tracked is None:
        return
    trials = [trial_facts(row) for row in outcome.rows if row.state in _ENDED]
    tracked.log_study(trials, best=trial_facts(outcome.best), note=_note(summary), files=files)


def _open(facts: dict[str, Any]) -> StudyRun:
    return open_study_run(
        facts["uri"],
        **{key: facts[key] for key in ("experiment", "name", "study_id", "tags", "params")},
    )


def _note(summary: dict[str, Any]) -> str:
    """The run's description in MLflow."""
    study, best, own = summary["study"], summary["best"], summary["own"]
    lines = [
        f"{study['objective']} of {study['variant']} over folds {', '.join(map(str, study['folds']))}. "
        f"Best: {best['dev_UA']:.3f} in trial {best['trial']}"
        + ("" if own is None else f"; the preset's own values: {own['dev_UA']:.3f}")
        + f". `{summary['preset']}` is the best trial as a preset (presets.yaml).",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in best["values"].items()),
    ]
    return "\n".join(lines)
