"""A corpus into one manifest."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from merflow.contracts.errors import CorpusError, nearest
from merflow.contracts.params import CorpusParams
from merflow.contracts.taxonomy import Taxonomy, taxonomy
from merflow.corpus.iemocap import read_iemocap
from merflow.corpus.manifest import Manifest, write_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.corpus.table import read_utterance_table
from merflow.jobs.progress import Progress, plain_lines, say

Size = Literal["tiny", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)

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


def synthetic_release(
    out: Path, *, size: str, seed: int = 0, video: bool = False, progress: Progress | None = None
) -> Path:
    """A generated release folder; one that is already whole is kept.

    Raises:
        CorpusError: The size is unknown.
        OutputError: ``out`` holds something else or cannot be written.
    """
    if size not in SIZES:
        raise CorpusError(f"unknown size {size!r} of a synthetic release; {nearest(size, SIZES)}")
    return synthesize(out, size=size, seed=seed, video=video, progress=progress or plain_lines())
