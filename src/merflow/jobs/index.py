"""A corpus into one manifest."""

from collections.abc import Callable
from pathlib import Path

from merflow.contracts.params import CorpusParams
from merflow.contracts.progress import say
from merflow.contracts.taxonomy import Taxonomy, taxonomy
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.readers.table import read_utterance_table
from merflow.errors import CorpusError, nearest

READERS: dict[str, Callable[..., Manifest]] = {
    "iemocap": read_iemocap,
    "synthetic": read_iemocap,
    "table": read_utterance_table,
}


def index(root: Path, *, corpus: str, out: Path, params: CorpusParams) -> Path:
    """Reads the corpus at ``root`` and writes its manifest to ``out``.

    Raises:
        CorpusError: The corpus kind is unknown, or its files are missing or malformed.
        LabelError: A label is unknown.
        OutputError: ``out`` cannot be written.
    """
    if corpus not in READERS:
        raise CorpusError(f"unknown corpus {corpus!r}; {nearest(corpus, READERS)}")
    classes: Taxonomy = taxonomy(params.taxonomy)
    manifest = READERS[corpus](root, taxonomy=classes)
    write_manifest(manifest, out)
    labelled = int(manifest.rows["emotion"].notna().sum())
    say(f"index: {len(manifest.rows)} utterances, {labelled} with an emotion of {classes.name}, hash {manifest.hash}")
    return out
