"""From the prediction tables of finished folds to results, a report, and the benchmark's run in MLflow."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.history import EpochFigures, read_history
from merflow.contracts.numerals import plural, training_name
from merflow.contracts.params import EvaluationParams
from merflow.contracts.presets import Preset
from merflow.contracts.progress import say
from merflow.contracts.score_results import AnyResults
from merflow.contracts.scores import Training
from merflow.contracts.task import Regression
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.transcript import words_of
from merflow.errors import EvaluationError
from merflow.evaluation.report.model_figures import Inspections
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.page import write_report
from merflow.evaluation.report.table_files import write_tables
from merflow.evaluation.summary import TrainedVariant
from merflow.jobs.summaries import Folds, SplitCorpus, check_one_task, results_of_classes, results_of_scores
from merflow.jobs.sync import log_benchmark
from merflow.presets import catalogue
from merflow.presets.user_presets import recorded_preset
from merflow.runs import fold_folder
from merflow.runs.provenance import environment, git_commit
from merflow.runs.run_folder import TrainedFold
from merflow.runs.variant_names import named


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
    classics: Path | None = None,
) -> AnyResults:
    """Write ``results.json`` and the HTML report of these folds, and complete the benchmark's run in MLflow.

    The tables of the report, ``tables.md`` and ``tables.tex``, go into the same folder.

    Args:
        trained: Fold folders of one or more variants.
        manifest: Validated manifest that the folds were trained on.
        splits: Splits that the folds were trained on.
        results: File for ``results.json``.
        report: File for the HTML page.
        name: Title of the report.
        command: Command that reproduces the run, printed in the report.
        params: Settings of the bootstrap and the calibration error; if ``show_words`` is set, the report shows words.
        run: File of the benchmark's run in MLflow; None to track nothing.
        classics: Folder of the classics on the same splits (:func:`merflow.jobs.classics.classics`); None if there is
            none.

    Raises:
        EvaluationError: Folds are missing or unfinished, or belong to other splits, another corpus or several tasks.
        FormatError: Another version of merflow trained a fold.
        OutputError: A file cannot be written.
    """
    corpus, splits_of_corpus = read_manifest(manifest), read_splits(splits)
    # In a fixed order, so that results and report do not depend on the order in which folds were finished or named.
    folds = sorted(
        (TrainedFold(folder, fold_folder.read_record(folder)) for folder in trained),
        key=lambda fold: (fold.record.variant, fold.record.seed, fold.record.fold),
    )
    _check_same_data(folds, split_id=splits_of_corpus.split_id, manifest_hash=corpus.hash)
    check_one_task(folds, verb="evaluate")
    by_name = named(folds)
    _check_same_training(by_name)
    presets = {name: recorded_preset(own[0].record) for name, own in by_name.items()}
    task, data, facts = folds[0].record.task, SplitCorpus(corpus, splits_of_corpus), _variants(by_name, presets)
    summary: AnyResults
    if isinstance(task, Regression):
        summary = results_of_scores(by_name, data, task, trained=facts, params=params, classics=classics)
    else:
        summary = results_of_classes(by_name, data, trained=facts, params=params, classics=classics)
    summary.write(results)
    papers = catalogue.published_tables()
    tables = write_tables(summary, report.parent, papers=papers)
    write_report(
        summary,
        report,
        origin=Origin(title=name, command=command, identity=_identity(folds) | _bases(presets)),
        histories=_histories(by_name),
        papers=papers,
        inspections=_inspections(by_name, words=corpus.rows if params.show_words else None),
    )
    if run is not None:
        files = {"results.json": results, "report.html": report, **{path.name: path for path in tables}}
        log_benchmark(run, trained=trained, files=files, command=command)
    say(f"evaluate: {plural(len(presets), 'variant')}, {plural(len(folds), 'fold')}; {report}")
    return summary


def _variants(by_name: Folds, presets: Mapping[str, Preset]) -> dict[str, TrainedVariant]:
    variants = {}
    for name, preset in presets.items():
        records = [fold.record for fold in by_name[name]]
        training = Training(
            selection=records[0].selection,
            regime=records[0].regime,
            transcripts=records[0].transcripts,
            transcripts_of_preset=records[0].transcripts_of_preset,
            profile=records[0].profile,
            encoders=records[0].encoder_citations,
            has_paper_encoders=records[0].has_paper_encoders,
            modalities=records[0].modalities,
            context=records[0].context,
        )
        chosen = {(record.fold, record.seed): record.chosen for record in records}
        variants[name] = TrainedVariant(training, preset.published, chosen)
    return variants


def _histories(by_name: Folds) -> dict[str, dict[tuple[int, int], tuple[EpochFigures, ...]]]:
    """Return the epochs of every fold and seed, per variant."""
    histories: dict[str, dict[tuple[int, int], tuple[EpochFigures, ...]]] = defaultdict(dict)
    for name, folds in by_name.items():
        for fold in folds:
            histories[name][fold.record.fold, fold.record.seed] = read_history(fold.folder)
    return dict(histories)


def _inspections(by_name: Folds, *, words: pd.DataFrame | None) -> Inspections:
    """Return, per variant, the inspection of the first fold that has one.

    Args:
        by_name: Trained folds by the name of their variant.
        words: Rows of the manifest, to show the words of single utterances; None to leave them out.
    """
    inspections = {}
    each = ((name, fold) for name, folds in by_name.items() for fold in folds)
    for name, fold in sorted(each, key=lambda pair: (pair[1].record.seed, pair[1].record.fold)):
        record = fold.record
        inspected = None if name in inspections else fold_folder.read_inspection(fold.folder)
        if inspected is None:
            continue
        if words is not None:
            inspected = inspected.with_words(
                {row["utterance_id"]: words_of(row, read=record.transcripts) for _, row in words.iterrows()}
            )
        inspections[name] = training_name(record.fold, record.seed), inspected
    return inspections


def _check_same_data(folds: Sequence[TrainedFold], *, split_id: str, manifest_hash: str) -> None:
    if not folds:
        raise EvaluationError("there are no folds to evaluate; train some first (merflow train --help)")
    for fold in folds:
        for name, trained_on, given in (
            ("split_id", fold.record.split_id, split_id),
            ("manifest_hash", fold.record.manifest_hash, manifest_hash),
        ):
            if trained_on != given:
                raise EvaluationError(
                    f"{fold.folder} was trained with {name} {trained_on}, but the given one is {given}; pass the "
                    "manifest and splits of the folds, or train the fold again on these"
                )


def _check_same_training(by_name: Folds) -> None:
    """Raise if folds of one variant read different words, or if encoders were fine-tuned only in some of them."""
    for name, (first, *others) in by_name.items():
        for fold in others:
            if fold.record.transcripts != first.record.transcripts:
                raise EvaluationError(
                    f"{fold.folder} was trained on transcripts {fold.record.transcripts!r}, but another fold of {name} "
                    f"on {first.record.transcripts!r}; train all folds of a variant on the features of one extraction"
                )
            if fold.record.regime != first.record.regime:
                raise EvaluationError(
                    f"{fold.folder} was trained in the stages {', '.join(fold.record.stages)}, but {first.folder} in "
                    f"{', '.join(first.record.stages)}; train all folds of a variant with one setting of "
                    "training.encoders"
                )


def _identity(folds: Sequence[TrainedFold]) -> dict[str, str]:
    """Return the data, code and encoders behind the figures."""
    records: list[FoldRecord] = [fold.record for fold in folds]
    encoders = {key: role for record in records for role, key in record.encoder_keys.items()}
    cited = {f"{role} {cited}" for record in records for role, cited in record.encoder_citations.items()}

    def distinct(values: Iterable[str]) -> str:
        return ", ".join(sorted(set(values)))

    return {
        "development data": distinct(record.development_data for record in records),
        "encoder profile": distinct(record.profile for record in records),
        "encoders": distinct(cited),
        "encoder keys": ", ".join(f"{role} {key}" for key, role in sorted(encoders.items())),
        "trained at commit": distinct(record.git_commit or "not a git checkout" for record in records),
        "trained with": "; ".join(sorted({str(record.environment) for record in records})),
        "evaluated at commit": git_commit() or "not a git checkout",
        "evaluated with": str(environment()),
    }


def _bases(presets: Mapping[str, Preset]) -> dict[str, str]:
    """Return the bases of the user's presets, whose published figures the report shows."""
    derived = [f"{name} from {preset.base}" for name, preset in sorted(presets.items()) if preset.base]
    return {"user presets (published figures are those of the base)": ", ".join(derived)} if derived else {}
