"""Prediction tables of finished folds into results, a report, and the benchmark's run."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import read_history
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
from merflow.jobs.sync import log_benchmark
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
        run: File of the benchmark's run in MLflow; None tracks nothing.
        user_presets: The user's presets; published figures beside one are those of its base.

    Raises:
        EvaluationError: Folds are missing, unfinished, or of other splits or another corpus.
        OutputError: A file cannot be written.
    """
    corpus, folded = read_manifest(manifest), read_splits(splits)
    records = [fold_folder.read_record(folder) for folder in trained]
    _belong_together(trained, records, split_id=folded.split_id, manifest_hash=corpus.hash)
    variants = {record.variant: catalogue.trained_preset(record.variant, user_presets) for record in records}
    summary = summarise(
        pd.concat([fold_folder.read_predictions(folder) for folder in trained], ignore_index=True),
        corpus.rows[["utterance_id", "dialogue_id", "session", "speaker", "scripted"]].join(durations_s(corpus.rows)),
        corpus=corpus.corpus,
        manifest_hash=corpus.hash,
        split_id=folded.split_id,
        protocol=folded.protocol,
        classes=taxonomy(corpus.taxonomy).classes,
        selections={record.variant: str(record.selection) for record in records},
        stages={record.variant: record.stages for record in records},
        stages_of_preset={variant: preset.stages for variant, preset in variants.items()},
        transcripts={record.variant: record.transcripts for record in records},
        transcripts_of_preset={record.variant: record.transcripts_of_preset for record in records},
        published={variant: preset.published for variant, preset in variants.items()},
        development=_by_test(records, [_development(record) for record in records]),
        folds=sorted(set(folded.rows["fold"].astype(int))),
        none_paper=_all_of([fold_folder.read_none_paper(folder) for folder in trained]),
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
        histories=_by_test(records, [[epoch.row for epoch in read_history(folder)] for folder in trained]),
        identity=_identity(records, summary) | _bases(variants),
        command=command,
        papers=papers,
        inspections=_inspections(trained, records, words=corpus.rows if params.show_words else None),
    )
    if run is not None:
        files = {"results.json": results, "report.html": report, **{path.name: path for path in tables}}
        log_benchmark(run, trained=trained, files=files, command=command)
    say(f"evaluate: {len(variants)} variant(s), {len(trained)} fold(s); {report}")
    return summary


def _by_test(records: Sequence[FoldRecord], values: Sequence[Any]) -> dict[str, dict[tuple[int, int], Any]]:
    """Variant -> fold and seed -> value."""
    nested: dict[str, dict[tuple[int, int], Any]] = defaultdict(dict)
    for record, value in zip(records, values, strict=True):
        nested[record.variant][record.fold, record.seed] = value
    return dict(nested)


def _development(record: FoldRecord) -> dict[str, float]:
    chosen = record.chosen
    return {"best_epoch": chosen.epoch, "dev_ua": chosen.dev_ua, "dev_loss": chosen.dev_loss}


def _inspections(
    trained: Sequence[Path], records: Sequence[FoldRecord], *, words: pd.DataFrame | None
) -> dict[str, tuple[str, Inspected]]:
    """Variant -> what the first of its folds that has something to show showed of its model.

    Args:
        trained: Fold folders.
        records: Their records.
        words: Rows of the manifest, to show what was said; None to keep it back.
    """
    found: dict[str, tuple[str, Inspected]] = {}
    for folder, record in sorted(zip(trained, records, strict=True), key=lambda pair: (pair[1].seed, pair[1].fold)):
        shown = None if record.variant in found else fold_folder.read_inspection(folder)
        if shown is not None and words is not None:
            said = {row["utterance_id"]: words_of(row, read=record.transcripts) for _, row in words.iterrows()}
            shown = shown.with_words(said)
        if shown is not None:
            found[record.variant] = training_name({"fold": record.fold, "seed": record.seed}), shown
    return found


def _all_of(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame | None:
    found = [table for table in tables if table is not None]
    return pd.concat(found, ignore_index=True) if found else None


def _belong_together(
    trained: Sequence[Path], records: Sequence[FoldRecord], *, split_id: str, manifest_hash: str
) -> None:
    if not trained:
        raise EvaluationError("no fold given; train some first (merflow train --help)")
    for folder, record in zip(trained, records, strict=True):
        for what, found, given in (
            ("split_id", record.split_id, split_id),
            ("manifest_hash", record.manifest_hash, manifest_hash),
        ):
            if found != given:
                raise EvaluationError(
                    f"{folder} was trained with {what} {found}, the given one is {given}; "
                    "evaluate it with its own manifest and splits, or train it again on these"
                )
    words: dict[str, str | None] = {}
    for folder, record in zip(trained, records, strict=True):
        first = words.setdefault(record.variant, record.transcripts)
        if record.transcripts != first:
            raise EvaluationError(
                f"{folder} read transcripts {record.transcripts!r}, another fold of {record.variant} {first!r}; "
                "train all folds of a variant on the features of one extraction"
            )


def _identity(records: Sequence[FoldRecord], summary: dict[str, Any]) -> dict[str, str]:
    """Which data, code and encoders the numbers stand on."""
    encoders = {key: role for record in records for role, key in record.encoder_keys.items()}

    def all_of(values: Iterable[str]) -> str:
        return ", ".join(sorted(set(values)))

    return {
        "corpus": f"{summary['corpus']} ({summary['utterances']} test utterances)",
        "corpus version": summary["manifest_hash"],
        "split id": summary["split_id"],
        "development data": all_of(record.development_data for record in records),
        "encoder profile": all_of(record.profile for record in records),
        "encoder keys": ", ".join(f"{role} {key}" for key, role in sorted(encoders.items())),
        "trained at commit": all_of(record.git_commit or "not a git checkout" for record in records),
        "trained with": "; ".join(sorted({str(record.environment) for record in records})),
        "evaluated with": str(environment()),
        "evaluated at commit": git_commit() or "not a git checkout",
    }


def _bases(variants: Mapping[str, Preset]) -> dict[str, str]:
    """Whose published figures stand beside presets of one's own."""
    made = [f"{name} from {preset.base}" for name, preset in sorted(variants.items()) if preset.base]
    return {"own presets, beside their bases' published figures": ", ".join(made)} if made else {}
