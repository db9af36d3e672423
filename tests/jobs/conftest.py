"""A corpus with pictures, small enough to fine-tune encoders on."""

from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.params import Params
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.presets import catalogue


def fine_tuned(*models: str) -> list[str]:
    """Return the variants of these models that fine-tune encoders."""
    presets = catalogue.presets().values()
    return [each.variant for each in presets if each.model in models and each.stages[-1] != "frozen"]


@pytest.fixture(scope="session")
def filmed(encoders: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two utterances of each speaker with pictures: manifest, splits, and features for all fine-tuned rows."""
    place = tmp_path_factory.mktemp("filmed")
    release = synthesize(place / "release", size="tiny", video=True)
    index(release, corpus="iemocap", out=place / "all.parquet", params=params.corpus)
    found = read_manifest(place / "all.parquet")
    rows = found.rows[found.rows["emotion"].notna()].groupby("speaker").head(2)
    few = Manifest(rows.reset_index(drop=True), root=found.root, corpus=found.corpus, taxonomy=found.taxonomy)
    write_manifest(few, place / "manifest.parquet")
    # No speaker has two utterances of every class.
    drawn = params.splits.model_copy(update={"development": "random"})
    split(place / "manifest.parquet", out=place / "splits.parquet", params=drawn)
    extract(
        place / "manifest.parquet",
        variants=fine_tuned("foal-net", "gia-mic"),
        store=place / "store",
        out=place / "features.json",
        params=params.features.model_copy(update={"profile": "tiny", "encoders_folder": str(encoders), "workers": 0}),
        corpus=params.corpus,
    )
    return place


def files(corpus: Path) -> dict[str, Any]:
    """Return the files that a fold is trained from, by the names of the job's arguments."""
    names = {"manifest": "manifest.parquet", "splits": "splits.parquet", "features": "features.json"}
    return {option: corpus / name for option, name in names.items()}
