"""The folds of a study, as far as the parameters alone decide them."""

from merflow.contracts.params import TuningParams
from merflow.contracts.split_params import SplitParams
from merflow.errors import TuningError


def with_known_folds(params: TuningParams, *, splits: SplitParams) -> TuningParams:
    """Return the parameters with folds of the protocol in place of ``auto``, which stays if the corpus decides.

    Args:
        params: The parameters of the study.
        splits: The parameters of the splits, with the usual protocol of the corpus in place of ``auto``.

    Raises:
        TuningError: The protocol lacks one of the folds.
    """
    last = splits.known_folds
    if last is None:
        return params
    if params.folds != "auto" and max(params.folds) > last:
        raise TuningError(
            f"{splits.protocol} has no fold {max(params.folds)}; its last one is {last}. Choose others with --folds"
        )
    return params.model_copy(update={"folds": params.folds_among(last)})
