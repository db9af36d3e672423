"""From trained folds of one task to results: the step of :mod:`merflow.jobs.evaluate` that differs between tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.classics import classic_predictions, classics_on
from merflow.contracts.params import EvaluationParams
from merflow.contracts.results import Results
from merflow.contracts.score_results import ScoreResults
from merflow.contracts.tables import select
from merflow.contracts.task import Regression
from merflow.corpus.durations import durations_s
from merflow.corpus.joining import cross_corpus_of
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.catalogue import reader_of
from merflow.corpus.splitting.baselines import baselines_of
from merflow.corpus.splitting.splits import Splits, ids
from merflow.errors import EvaluationError
from merflow.evaluation.predictions import HeldOut
from merflow.evaluation.scores.predictions import HeldOutScores
from merflow.evaluation.scores.summary import summarize_scores
from merflow.evaluation.summary import PredictionTables, TrainedVariant, summarize
from merflow.evaluation.tested_rows import HeldOutData
from merflow.runs import fold_folder
from merflow.runs.run_folder import TrainedFold
from merflow.runs.variant_names import under_name

Folds = Mapping[str, Sequence[TrainedFold]]

_FACTS = ["utterance_id", "dialogue_id", "session", "speaker", "gender", "scripted"]


@dataclass(frozen=True)
class SplitCorpus:
    """Data that the folds were trained and tested on."""

    corpus: Manifest
    splits: Splits


def results_of_classes(
    folds: Folds,
    data: SplitCorpus,
    *,
    trained: Mapping[str, TrainedVariant],
    params: EvaluationParams,
    classics: Path | None,
) -> Results:
    """Compute the results of folds that learned emotions.

    Args:
        folds: Folds by the name of their variant.
        data: Data of the folds.
        trained: Facts per variant.
        params: Settings of the bootstrap and the calibration error.
        classics: Folder of the classics on the same splits; None if there is none.

    Raises:
        EvaluationError: Folds are missing, or were tested on different utterances.
    """
    corpus, splits = data.corpus, data.splits
    kind = reader_of(corpus)
    published = corpus.taxonomy.name if kind.published and corpus.taxonomy.shipped and not corpus.differs else None
    records = classics_on(classics, split_id=splits.split_id)
    return summarize(
        _tables(folds, classics=classic_predictions(classics, records)),
        HeldOut.of(_held_out(data, published_corpus=published), classes=corpus.classes),
        trained=trained,
        params=params,
        baselines=baselines_of(corpus, splits),
        classics=records,
    )


def results_of_scores(
    folds: Folds,
    data: SplitCorpus,
    task: Regression,
    *,
    trained: Mapping[str, TrainedVariant],
    params: EvaluationParams,
    classics: Path | None,
) -> ScoreResults:
    """Compute the results of folds that learned scores; see :func:`results_of_classes`.

    Raises:
        EvaluationError: Folds are missing, or were tested on different utterances.
    """
    corpus = data.corpus
    published = corpus.corpus if reader_of(corpus).published and not corpus.differs else None
    records = classics_on(classics, split_id=data.splits.split_id)
    return summarize_scores(
        _tables(folds, classics=classic_predictions(classics, records)),
        HeldOutScores.of(_held_out(data, published_corpus=published), task=task),
        trained=trained,
        training_labels={
            fold.fold: select(corpus.rows, "utterance_id", ids(data.splits, fold=fold.fold, part="train"))[
                task.column
            ].to_numpy(dtype=np.float64)
            for fold in data.splits.folds
        },
        params=params,
        classics=records,
    )


def check_one_task(folds: Sequence[TrainedFold], *, verb: str) -> None:
    """Raise if folds learned different tasks, whose figures no number compares.

    Args:
        folds: Trained folds.
        verb: The operation, for the error: ``evaluate``, ``report`` or ``compare``.

    Raises:
        EvaluationError: The message names two tasks with a fold of each.
    """
    by_task = {fold.record.task.name: fold for fold in folds}
    if len(by_task) > 1:
        learned = " and ".join(f"{name} ({fold.folder})" for name, fold in by_task.items())
        raise EvaluationError(
            f"these folds learned different tasks, {learned}, and no figure compares them; {verb} the folds of one "
            "task at a time"
        )


def _held_out(data: SplitCorpus, *, published_corpus: str | None) -> HeldOutData:
    """Return the facts about the test data that do not depend on the task."""
    corpus, splits = data.corpus, data.splits
    return HeldOutData(
        corpus=corpus.corpus,
        manifest_hash=corpus.hash,
        split_id=splits.split_id,
        protocol=splits.protocol,
        utterances=corpus.rows[_FACTS].join(durations_s(corpus.rows)),
        folds=tuple(sorted(set(splits.rows["fold"].astype(int)))),
        synthetic=reader_of(corpus).synthetic,
        published_corpus=published_corpus,
        known_differences=corpus.accepted,
        shared_groups=splits.shared_groups,
        cross_corpus=None if corpus.joined is None else cross_corpus_of(corpus.joined, splits),
    )


def _tables(folds: Folds, *, classics: pd.DataFrame | None) -> PredictionTables:
    """Return the predictions of all folds, under the names of their variants."""
    return PredictionTables(
        test=pd.concat(_read(folds, fold_folder.read_predictions), ignore_index=True),
        none_paper=_concatenated(_read(folds, fold_folder.read_none_paper)),
        missing=_concatenated(_read(folds, fold_folder.read_missing)),
        classics=classics,
    )


def _read(folds: Folds, read: Callable[[Path], pd.DataFrame | None]) -> list[pd.DataFrame]:
    """Return one kind of table of all folds that have it."""
    tables = ((name, read(fold.folder)) for name, own in folds.items() for fold in own)
    return [under_name(name, table) for name, table in tables if table is not None]


def _concatenated(tables: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    return pd.concat(tables, ignore_index=True) if tables else None
