"""Prediction tables of finished folds into results, a report, and the benchmark's run."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from merflow.contracts.numerals import training_name
from merflow.contracts.params import EvaluationParams
from merflow.contracts.presets import Preset, UserPresets
from merflow.contracts.progress import say
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.baselines import baselines_of
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.transcript import words_of
from merflow.errors import EvaluationError
from merflow.evaluation.inspected import Inspected
from merflow.evaluation.report.page import write_report
from merflow.evaluation.report.tables import write_tables
from merflow.evaluation.results import summarise
from merflow.jobs.tracking import log_benchmark
from merflow.presets import catalogue
from merflow.runs import fold_folder
from merflow.runs.provenance import environment, git_commit
from merflow.storage.local import write_json


def evaluate(
    trained: Sequence[Path],
    *,
    manifest: Path,
    splits: Path,
    results: Path,
    report: Path,
    name: str,
    command: str,
    params: EvaluationParams,
    run: Path | None = None,
    user_presets: UserPresets | None = None,
) -> dict[str, Any]:
    """Writes ``results.json`` and the HTML report of these fold folders, and completes the benchmark's run.

    Beside the report stand its tables, ``tables.md`` and ``tables.tex``.

    Args:
        trained: Fold folders of one or more variants.
        manifest: The validated manifest that they were trained on.
        splits: Their splits.
        results: Where ``results.json`` goes.
        report: Where the HTML page goes.
        name: Title of the report.
        command: What reproduces the run, printed in the report.
        params: Bootstrap and calibration, and whether the report shows words.
        run: The benchmark's run (``jobs.tracking``); None tracks nothing.
        user_presets: The user's presets; published figures beside one are those of its base.

    Raises:
        EvaluationError: Folds are missing, unfinished, or of other splits or another corpus.
        OutputError: A file cannot be written.
    """
    corpus, folded = read_manifest(manifest), read_splits(splits)
    facts = [fold_folder.read_facts(folder) for folder in trained]
    _belong_together(trained, facts, split_id=folded.split_id, manifest_hash=corpus.hash)
    variants = {fact["variant"]: catalogue.trained_preset(fact["variant"], user_presets) for fact in facts}
    summary = summarise(
        pd.concat([fold_folder.read_predictions(folder) for folder in trained], ignore_index=True),
        corpus.rows[["utterance_id", "dialogue_id", "session", "speaker", "scripted"]].join(durations_s(corpus.rows)),
        corpus=corpus.corpus,
        manifest_hash=corpus.hash,
        split_id=folded.split_id,
        protocol=folded.protocol,
        classes=taxonomy(corpus.taxonomy).classes,
        selections={fact["variant"]: fact["selection"] for fact in facts},
        stages={fact["variant"]: tuple(fact["stages"]) for fact in facts},
        stages_of_preset={variant: preset.stages for variant, preset in variants.items()},
        transcripts={fact["variant"]: fact["transcripts"] for fact in facts},
        transcripts_of_preset={fact["variant"]: fact["transcripts_of_preset"] for fact in facts},
        published={variant: preset.published for variant, preset in variants.items()},
        development=_by_test(facts, [fact["development"] for fact in facts]),
        folds=sorted(set(folded.rows["fold"].astype(int))),
        none_paper=_all_of([fold_folder.read_shadow(folder) for folder in trained]),
        missing=_all_of([fold_folder.read_missing(folder) for folder in trained]),
        baselines=baselines_of(corpus, folded),
        params=params,
    )
    write_json(results, summary)
    papers = catalogue.published_tables()
    tables = write_tables(summary, report.parent, papers=papers)
    write_report(
        summary,
        report,
        title=name,
        histories=_by_test(facts, [fold_folder.read_history(folder) for folder in trained]),
        identity=_identity(facts, summary) | _bases(variants),
        command=command,
        papers=papers,
        inspections=_inspections(trained, facts, words=corpus.rows if params.show_words else None),
    )
    if run is not None:
        files = {"results.json": results, "report.html": report, **{path.name: path for path in tables}}
        log_benchmark(run, trained=trained, files=files, command=command)
    say(f"evaluate: {len(variants)} variant(s), {len(trained)} fold(s); {report}")
    return summary


def _by_test(facts: Sequence[dict[str, Any]], values: Sequence[Any]) -> dict[str, dict[tuple[int, int], Any]]:
    """Variant -> fold and seed -> value."""
    nested: dict[str, dict[tuple[int, int], Any]] = defaultdict(dict)
    for fact, value in zip(facts, values, strict=True):
        nested[fact["variant"]][fact["fold"], fact["seed"]] = value
    return dict(nested)


def _inspections(
    trained: Sequence[Path], facts: Sequence[dict[str, Any]], *, words: pd.DataFrame | None
) -> dict[str, tuple[str, Inspected]]:
    """Variant -> what the first of its folds that has something to show showed of its model.

    Args:
        trained: Fold folders.
        facts: Of each.
        words: Rows of the manifest, to show what was said; None to keep it back.
    """
    found: dict[str, tuple[str, Inspected]] = {}
    for folder, fact in sorted(zip(trained, facts, strict=True), key=lambda pair: (pair[1]["seed"], pair[1]["fold"])):
        shown = None if fact["variant"] in found else fold_folder.read_inspection(folder)
        if shown is not None and words is not None:
            said = {row["utterance_id"]: words_of(row, read=fact["transcripts"]) for _, row in words.iterrows()}
            shown = shown.with_words(said)
        if shown is not None:
            found[fact["variant"]] = training_name(fact), shown
    return found


def _all_of(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    found = [table for table in tables if table is not None]
    return pd.concat(found, ignore_index=True) if found else None


def _belong_together(
    trained: Sequence[Path], facts: Sequence[dict[str, Any]], *, split_id: str, manifest_hash: str
) -> None:
    if not trained:
        raise EvaluationError("no fold given; train some first (merflow train --help)")
    for folder, fact in zip(trained, facts, strict=True):
        for what, given in (("split_id", split_id), ("manifest_hash", manifest_hash)):
            if fact[what] != given:
                raise EvaluationError(
                    f"{folder} was trained with {what} {fact[what]}, the given one is {given}; "
                    "evaluate it with its own manifest and splits, or train it again on these"
                )
    words: dict[str, str | None] = {}
    for folder, fact in zip(trained, facts, strict=True):
        first = words.setdefault(fact["variant"], fact["transcripts"])
        if fact["transcripts"] != first:
            raise EvaluationError(
                f"{folder} read transcripts {fact['transcripts']!r}, another fold of {fact['variant']} {first!r}; "
                "train all folds of a variant on the features of one extraction"
            )


def _identity(facts: Sequence[dict[str, Any]], summary: dict[str, Any]) -> dict[str, str]:
    """Which data, code and encoders the numbers stand on."""
    encoders = {key: role for fact in facts for role, key in fact["encoder_keys"].items()}

    def all_of(name: str) -> str:
        return ", ".join(sorted({fact[name] or "not a git checkout" for fact in facts}))

    surroundings = sorted({_environment(fact["environment"]) for fact in facts if "environment" in fact})
    return {
        "corpus": f"{summary['corpus']} ({summary['utterances']} test utterances)",
        "corpus version": summary["manifest_hash"],
        "split id": summary["split_id"],
        "development data": all_of("development_data"),
        "encoder profile": all_of("profile"),
        "encoder keys": ", ".join(f"{role} {key}" for key, role in sorted(encoders.items())),
        "trained at commit": all_of("git_commit"),
        "trained with": "; ".join(surroundings) or "not recorded",
        "evaluated with": _environment(environment()),
        "evaluated at commit": git_commit() or "not a git checkout",
    }


def _bases(variants: Mapping[str, Preset]) -> dict[str, str]:
    """Whose published figures stand beside presets of one's own."""
    made = [f"{name} from {preset.base}" for name, preset in sorted(variants.items()) if preset.base]
    return {"own presets, beside their bases' published figures": ", ".join(made)} if made else {}


def _environment(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in versions.items())
