"""Train and test the classics on the folds of a split, and store a table of predictions for each."""

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.classics import opensmile_sets, words
from merflow.classics.catalogue import (
    AUDIO,
    FUSIONS,
    OPENSMILE,
    WORDS,
    AudioClassic,
    Classic,
    FusionClassic,
    WordClassic,
)
from merflow.classics.decisions import Outcome
from merflow.classics.folds import Fold, folds_of
from merflow.classics.predictions import fused, record_of, table_of
from merflow.classics.recordings import functionals_of
from merflow.classics.regression import ScoreOutcome, scores_of_functionals, scores_of_words
from merflow.classics.repeated_lines import left_out_of_training, repeated_dialogues
from merflow.classics.support_vectors import of_functionals, of_functionals_at
from merflow.contracts.classics import ClassicFold, ClassicRecord, read_classics, read_predictions, write_classic
from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.numerals import plural
from merflow.contracts.params import ClassicsParams, CorpusParams, Transcripts
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.streams import MODALITY_OF, Transcript
from merflow.contracts.task import EMOTION
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.splitting.splits import Splits, read_splits
from merflow.errors import EvaluationError
from merflow.runs.code_closure import code_digest, source_digest
from merflow.storage.local import digest, output_errors

# The code that functionals depend on, besides openSMILE's.
_FUNCTIONALS_CODE = ("classics/descriptors.py", "classics/functionals.py", "classics/opensmile_sets.py")


def classics(
    manifest: Path,
    *,
    splits: Path,
    out: Path,
    cache: Path,
    params: ClassicsParams,
    corpus: CorpusParams,
    transcripts: Transcripts = "auto",
    features: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> tuple[ClassicRecord, ...]:
    """Write a folder per classic below ``out``, with its predictions and its record.

    A finished classic with the same data, settings and code is kept; one that is no longer requested is removed.
    Classics that need inputs which the corpus lacks are left out.

    Args:
        manifest: Validated manifest.
        splits: Its splits.
        out: Folder of the classics' own folders.
        cache: Folder for functionals, which are still valid if the splits change.
        params: The classics to train.
        corpus: ``resample`` decides how recordings are read.
        transcripts: Kind of words to read. ``auto`` reads the kinds that ``features`` were made from; without features,
            the corpus's reference transcripts or, if it has none, its ASR transcripts.
        features: File of extracted features; None if there are none yet.
        workers: Number of processes that compute functionals; None for one per core.
        progress: Receives the progress of every stage.

    Raises:
        EvaluationError: The splits belong to another manifest, or no training utterance of a fold has words.
        FeatureError: openSMILE's functionals are requested, but the package is not installed.
        OutputError: A folder cannot be written.
    """
    read, folds = read_manifest(manifest), read_splits(splits)
    if folds.manifest_hash != read.hash:
        raise EvaluationError(
            f"{splits} was made from manifest {folds.manifest_hash}, but {manifest} is {read.hash}; split it again"
        )
    data = _Data(read, folds, tuple(folds_of(read, folds)), out, cache, corpus.resample, workers or _cores())
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    tell = progress or plain_lines()
    kinds = _requested(transcripts, features)
    tasks = list(_tasks(data, params=params, transcripts=kinds))
    finished = {record.name: record for record in read_classics(out)}
    records: dict[str, ClassicRecord] = {}
    for task in tasks:
        fingerprint = _fingerprint(task, data, records)
        earlier = finished.get(task.name)
        if earlier is None or earlier.fingerprint != fingerprint:
            records[task.name] = _train(task, data, records, fingerprint=fingerprint, progress=tell)
        else:
            records[task.name] = earlier
    for name in finished.keys() - records.keys():
        shutil.rmtree(out / name)
    say(f"classics: {plural(len(records), 'classic')} in {out}")
    return tuple(records.values())


@dataclass(frozen=True)
class _Data:
    """Everything that all classics share."""

    manifest: Manifest
    splits: Splits
    folds: tuple[Fold, ...]
    out: Path
    cache: Path
    resample: bool
    workers: int

    def trains(self, classic: Classic) -> bool:
        """Return True if a classic is for labels of this kind."""
        return self.splits.params.named_task == EMOTION or bool(classic.of_scores)


@dataclass(frozen=True)
class _Task:
    """One classic to train; ``name`` distinguishes classics that use ASR transcripts."""

    name: str
    classic: Classic
    transcripts: Transcript | None


def _tasks(data: _Data, *, params: ClassicsParams, transcripts: Collection[Transcript]) -> Iterable[_Task]:
    kinds = _kinds(data.manifest, transcripts) if params.words else ()
    audio: list[AudioClassic] = []
    if not data.manifest.rows["audio_path"].isna().all():
        audio += AUDIO if params.audio else ()
        if params.opensmile == "on":
            opensmile_sets.check_installed()
        audio += OPENSMILE if params.opensmile != "off" and opensmile_sets.is_installed() else ()
    neighbours = data.manifest.rows["dialogue_id"].duplicated().any()  # otherwise no turn has neighbours
    yield from (_Task(classic.name, classic, None) for classic in audio if data.trains(classic))
    for kind in kinds:
        for classic in (*WORDS, *(FUSIONS if audio else ())):
            if (classic.name.endswith("-context") and not neighbours) or not data.trains(classic):
                continue
            yield _Task(classic.name + ("-asr" if kind == "asr" else ""), classic, kind)


def _requested(transcripts: Transcripts, features: Path | None) -> set[Transcript]:
    if transcripts != "auto":
        return {transcripts}
    streams = () if features is None else read_extracted_features(features).streams
    return {each.stream.transcript for each in streams if MODALITY_OF[each.stream.role] == "text"}


def _kinds(manifest: Manifest, transcripts: Collection[Transcript]) -> list[Transcript]:
    """Return the kinds of words to read: the requested ones that the corpus has, or else its only one."""
    present = [kind for kind, column in TRANSCRIPT_COLUMNS.items() if manifest.rows[column].fillna("").ne("").any()]
    requested = [kind for kind in present if kind in transcripts]
    return requested or present[:1]


def _fingerprint(task: _Task, data: _Data, records: Mapping[str, ClassicRecord]) -> str:
    read = [record.fingerprint for record in records.values()] if isinstance(task.classic, FusionClassic) else []
    return digest(
        [task.name, data.manifest.hash, data.splits.split_id, data.resample, code_digest("classics"), sorted(read)]
    )


def _train(
    task: _Task, data: _Data, records: Mapping[str, ClassicRecord], *, fingerprint: str, progress: Progress
) -> ClassicRecord:
    outcomes: Sequence[Outcome | ScoreOutcome]
    match task.classic:
        case WordClassic():
            outcomes = _of_words(task, data, progress=progress)
        case AudioClassic():
            outcomes = _of_audio(task.classic, data, progress=progress)
        case FusionClassic():
            outcomes = _of_fusion(task, data, records)
    chosen = [
        ClassicFold(fold=fold.number, settings=outcome.settings, **_dev_figure(outcome))
        for fold, outcome in zip(data.folds, outcomes, strict=True)
    ]
    record = record_of(
        task.classic,
        name=task.name,
        transcripts=task.transcripts,
        manifest=data.manifest,
        splits=data.splits,
        fingerprint=fingerprint,
        folds=chosen,
    )
    table = table_of(task.name, data.folds, outcomes, manifest=data.manifest, splits=data.splits)
    write_classic(data.out, record, table)
    return record


def _dev_figure(outcome: Outcome | ScoreOutcome) -> dict[str, float | None]:
    if isinstance(outcome, ScoreOutcome):
        return {"dev_ua": None, "dev_mae": outcome.dev_mae}
    return {"dev_ua": outcome.dev_ua}


def _of_words(task: _Task, data: _Data, *, progress: Progress) -> Sequence[Outcome | ScoreOutcome]:
    assert isinstance(task.classic, WordClassic)
    assert task.transcripts is not None
    texts = words.texts_of(data.manifest, transcripts=task.transcripts)
    if data.splits.params.named_task != EMOTION:
        ways = {"": words.alone(texts)}
        if task.classic.context:
            ways = words.with_neighbours(texts, words.neighbours_of(data.manifest, texts))
        return _each(data.folds, lambda fold: scores_of_words(fold, ways), task.name, progress)
    if task.classic.context:
        around = words.neighbours_of(data.manifest, texts)
        return _each(data.folds, lambda fold: words.of_turn_and_neighbours(fold, texts, around), task.name, progress)
    if task.classic.leak:
        repeated = repeated_dialogues(data.manifest, texts)
        return _each(
            data.folds,
            lambda fold: words.of_unseen_lines(fold, texts, left_out_of_training(fold, data.manifest, texts, repeated)),
            task.name,
            progress,
        )
    return _each(data.folds, lambda fold: words.of_turn(fold, texts), task.name, progress)


def _of_audio(classic: AudioClassic, data: _Data, *, progress: Progress) -> Sequence[Outcome | ScoreOutcome]:
    utterances = sorted(set(data.splits.rows["utterance_id"]))
    key = digest([data.manifest.hash, utterances, classic.functionals, data.resample, _functionals_version(classic)])
    rows = functionals_of(
        data.manifest,
        utterances,
        kind=classic.functionals,
        folder=data.cache / f"{classic.functionals}-{key}",
        resample=data.resample,
        workers=data.workers,
        progress=progress,
    )

    def fit(fold: Fold) -> Outcome | ScoreOutcome:
        if fold.score is not None:
            return scores_of_functionals(fold, rows)
        if classic.cost is not None:
            return of_functionals_at(fold, rows, cost=classic.cost)
        return of_functionals(fold, rows, kernel=classic.kernel)

    return _each(data.folds, fit, classic.name, progress)


def _functionals_version(classic: AudioClassic) -> str:
    if classic.functionals == "merflow":
        return source_digest(Path(name) for name in _FUNCTIONALS_CODE[:2])
    return f"{source_digest([Path(_FUNCTIONALS_CODE[2])])} {opensmile_sets.installed_version()}"


def _of_fusion(task: _Task, data: _Data, records: Mapping[str, ClassicRecord]) -> Sequence[Outcome | ScoreOutcome]:
    assert isinstance(task.classic, FusionClassic)
    of_words = task.classic.words + ("-asr" if task.transcripts == "asr" else "")
    audio = {name: record for name, record in records.items() if record.modalities == ("audio",)}
    return fused(
        read_predictions(data.out, [of_words], task=data.splits.params.named_task),
        {name: read_predictions(data.out, [name], task=data.splits.params.named_task) for name in audio},
        records=audio,
        folds=data.folds,
    )


def _each(
    folds: Sequence[Fold], fit: Callable[[Fold], Outcome | ScoreOutcome], name: str, progress: Progress
) -> Sequence[Outcome | ScoreOutcome]:
    outcomes = []
    for fold in folds:
        outcomes.append(fit(fold))
        progress(f"classic {name}", len(outcomes), len(folds))
    return outcomes


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
