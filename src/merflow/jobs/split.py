"""Splitting a validated manifest into folds."""

from pathlib import Path

from merflow.contracts.progress import say
from merflow.contracts.split_params import SplitParams
from merflow.corpus.manifest import read_manifest, refuse_failed
from merflow.corpus.readers.catalogue import check_protocol, reader_of, task_of_corpus, with_usual_protocol
from merflow.corpus.splitting.protocols import usual_protocol
from merflow.corpus.splitting.splits import Splits, make_splits, write_splits
from merflow.corpus.splitting.summary import remarks_on


def split(manifest: Path, *, out: Path, params: SplitParams) -> Splits:
    """Write the folds of a manifest to ``out``, and a readable summary next to it (``.md``).

    Raises:
        CorpusError: The manifest is missing, its kind of corpus is unknown, or its last validation failed.
        SplitError: The protocol does not suit the corpus, or a fold would leak.
    """
    refuse_failed(manifest)
    corpus = read_manifest(manifest)
    kind = reader_of(corpus)
    check_protocol(corpus.corpus, params.protocol, kind=kind)
    params = with_usual_protocol(params, kind=kind).model_copy(update={"task": task_of_corpus(kind, params.task)})
    if params.protocol == "auto":
        usual = usual_protocol(corpus, params=params, suitable=kind.protocols)
        params = params.model_copy(update={"protocol": usual})
    splits = make_splits(corpus, params=params)
    write_splits(splits, out)
    folds = len(splits.folds)
    plural = "s" if folds > 1 else ""
    say(f"split: {splits.protocol}, {folds} fold{plural} of {params.task}, split id {splits.split_id}")
    for remark in remarks_on(splits.folds, params=params):
        say(f"split: {remark}")
    return splits
