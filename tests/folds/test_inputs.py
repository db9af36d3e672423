from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.errors import FeatureError
from merflow.folds.inputs import FoldInputs
from merflow.folds.record import planned_fold
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.models.gia_mic import GIAMICConfig


def test_a_model_is_as_wide_as_the_profile_says(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    manifest, splits, features = (tmp_path / name for name in ("m.parquet", "s.parquet", "f.json"))
    index(tiny_release, corpus="synthetic", out=manifest, params=params.corpus)
    split(manifest, out=splits, params=params.splits)
    extract(
        manifest,
        variants=["gia-mic:t"],
        store=tmp_path / "store",
        out=features,
        params=params.features,
        corpus=params.corpus,
    )
    inputs = FoldInputs.read("gia-mic:t:1", manifest=manifest, splits=splits, features=features, params=params.training)
    assert isinstance(inputs.config, GIAMICConfig)
    assert (inputs.config.dims, inputs.config.heads, inputs.config.modalities) == (96, 4, ("text",))
    assert [recipe.lr for recipe in inputs.recipes] == [0.001]
    assert planned_fold(inputs).config["dims"] == 96
    lacking = (
        rf"^{features} was extracted for other variants: it has text \(lite-text\), and gia-mic:full also reads "
        r"video; extract with --models gia-mic:full: merflow features extract MANIFEST --models gia-mic:"
    )
    with pytest.raises(FeatureError, match=lacking):
        FoldInputs.read("gia-mic:full:1", manifest=manifest, splits=splits, features=features, params=params.training)
