"""Indexing of a corpus: it is read into one manifest."""

from dataclasses import replace
from pathlib import Path

from merflow.contracts.params import CorpusParams
from merflow.contracts.progress import say
from merflow.corpus.manifest import write_manifest
from merflow.corpus.readers.catalogue import reader
from merflow.corpus.transcript import with_tags


def index(root: Path, *, corpus: str, out: Path, params: CorpusParams) -> Path:
    """Read the corpus at ``root``, write its manifest to ``out``, and return ``out``.

    Raises:
        CorpusError: The kind of corpus is unknown, or its files are missing or malformed.
        LabelError: A label is unknown.
        OutputError: ``out`` cannot be written.
    """
    found = reader(corpus).read(root, taxonomy=params.taxonomy)
    words = found.rows["transcript"].map(lambda text: with_tags(text, params.tags), na_action="ignore")
    manifest = replace(found, rows=found.rows.assign(transcript=words), tags=params.tags)
    write_manifest(manifest, out)
    labelled = int(manifest.rows["emotion"].notna().sum())
    scored = int(manifest.rows["sentiment"].notna().sum())
    labels = [f"{labelled} with an emotion of {manifest.taxonomy.name}"] if labelled or not scored else []
    labels += [f"{scored} with a sentiment"] if scored else []
    say(f"index: {len(manifest.rows)} utterances, {', '.join(labels)}, hash {manifest.hash}")
    if manifest.rows["audio_path"].isna().all():
        profile = reader(corpus).profile
        models = "models that read text alone can be trained on it"
        brought = f"features.profile={profile} reads the features that came with it"
        say(f"index: the corpus has no recordings; {models if profile is None else brought}")
    return out
