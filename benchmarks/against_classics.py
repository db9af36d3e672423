"""A comparison of the embedded default with the classics, on real speech, on real dialogue and on synthetic data.

For each corpus and each set of modalities, the preset with the highest mean development UA stands against every classic
that reads the same modalities, on the same test utterances. With ``--before``, the best preset of an earlier version
stands beside it: the folder has this command's runs, made by that version.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.paired import Tested, difference
from benchmarks.record import read_result, write_result
from merflow.contracts.classics import ClassicRecord, read_predictions
from merflow.contracts.params import Params, read_params
from merflow.contracts.tables import PREDICTIONS, read_table
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.benchmark import benchmark
from merflow.jobs.classics import classics
from merflow.presets import catalogue
from merflow.runs.run_folder import RESULTS
from merflow.storage.local import read_json

# Modalities -> the presets that read them and no others, on stored features.
PRESETS = {
    "audio": ("context-mmt:wavlm-te-frozen", "foal-net:audio-only", "gia-mic:s"),
    "text": ("context-mmt:bert-te-frozen", "gia-mic:t"),
    "audio and text": ("context-mmt:mmt-frozen", "gia-mic:st", "mfdr:full"),
}


@dataclass(frozen=True)
class Corpus:
    """A corpus of the comparison.

    Attributes:
        name: Its name in the record.
        modalities: Keys of :data:`PRESETS` that are worth comparing on it.
        overrides: Parameters that differ.
    """

    name: str
    modalities: tuple[str, ...]
    overrides: tuple[str, ...] = ()


CORPORA = (
    Corpus("EmoDB", ("audio",)),
    # One random speaker of a series may have a handful of lines, so a session is the development data.
    Corpus("MELD", ("text",), ("splits.development=session",)),
    Corpus("synthetic", tuple(PRESETS)),
)


def measured(corpus: Corpus, source: CorpusSource, *, params: Params, out: Path, workers: int) -> dict[str, Any]:
    """Train the presets and the classics of a corpus, and return the figures per set of modalities."""
    variants = [variant for modalities in corpus.modalities for variant in PRESETS[modalities]]
    results = benchmark(
        source,
        variants=variants,
        out=out,
        params=params,
        name=f"{corpus.name} against the classics",
        command="python -m benchmarks.against_classics",
        workers=workers,
    )
    manifest = out / "manifest.parquet"
    records = classics(
        manifest,
        splits=out / "splits.parquet",
        out=out / "classics",
        cache=out / "functionals",
        params=params.classics,
        corpus=params.corpus,
    )
    return {
        "utterances": results.utterances,
        "dialogues": results.dialogues,
        "manifest_hash": results.manifest_hash,
        "split_id": results.split_id,
        "protocol": results.protocol,
        "development": params.splits.development,
        "modalities": {
            modalities: {
                "presets": _presets_of(out, modalities),
                "classics": _classics_of(records, modalities, out=out, manifest=read_manifest(manifest)),
            }
            for modalities in corpus.modalities
        },
    }
