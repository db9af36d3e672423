"""Tests of the figures that a trained fold keeps of some of its test utterances."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from merflow.contracts.params import Params
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.jobs.explain import explain
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.runs.fold_folder import read_inspection

VARIANT = "context-mmt:wavlm-fc-frozen"


def test_a_corpus_without_words_is_looked_at_and_explained_all_the_same(
    tiny_release: Path, params: Params, tmp_path: Path
) -> None:
    manifest, splits = tmp_path / "m.parquet", tmp_path / "s.parquet"
    index(tiny_release, corpus="iemocap", out=manifest, params=params.corpus)
    found = read_manifest(manifest)
    wordless = pd.Series([None] * len(found.rows), dtype="str")
    write_manifest(replace(found, rows=found.rows.assign(transcript=wordless)), manifest)
    split(manifest, out=splits, params=params.splits)
    asked = params.features.model_copy(update={"workers": 0})
    features = extract(
        manifest, variants=[VARIANT], store=tmp_path, out=tmp_path / "f.json", params=asked, corpus=params.corpus
    )
    fold = train(
        f"{VARIANT}:1",
        manifest=manifest,
        splits=splits,
        features=features,
        out=tmp_path / "fold",
        checkpoints=tmp_path / "checkpoints",
        params=params.training,
    )
    shown = read_inspection(fold)
    assert shown is not None
    assert [seen.words for seen in shown.utterances] == ["", ""]
    out = explain(
        fold, manifest=manifest, splits=splits, features=features, out=tmp_path / "out", examples=1, words=True
    )
    assert len(list(out.glob("utterances/*.png"))) == 1
