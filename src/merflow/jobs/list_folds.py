"""The trainings of a benchmark, whose number follows from the splits of the corpus."""

from pathlib import Path

from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.requests import ListFoldsRequest, TrainRequest
from merflow.corpus.splitting.splits import read_splits
from merflow.presets.variants import folds_of


def list_folds(request: ListFoldsRequest, *, splits: Path) -> list[TrainRequest]:
    """Return one request for each fold and seed of each variant.

    Raises:
        SplitError: The file holds no splits.
    """
    first = {parse_fold_id(training.fold).variant: training for training in request.trainings}
    folds = folds_of(list(first), folds=len(read_splits(splits).folds), seeds=request.seeds)
    return [first[parse_fold_id(fold).variant].model_copy(update={"fold": fold}) for fold in folds]
