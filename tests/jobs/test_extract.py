from pathlib import Path

import pytest

from merflow.contracts.extracted_features import read_extracted_features
from merflow.contracts.params import Params
from merflow.jobs.extract import extract
from merflow.jobs.index import index


def test_lite_shows_the_encoder_that_really_runs(
    tiny_release: Path, params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, out = tmp_path / "m.parquet", tmp_path / "features.json"
    index(tiny_release, corpus="synthetic", out=manifest, params=params.corpus)
    extract(
        manifest,
        variants=["gia-mic:st"],
        store=tmp_path / "store",
        out=out,
        params=params.features,
        corpus=params.corpus,
    )
    printed = capsys.readouterr().err
    assert "extract speech (lite-speech): 70 inputs" in printed
    assert "extract text (lite-text): " in printed
    features = read_extracted_features(out)
    assert {each.stream.encoder for each in features.streams} == {"wavlm-large", "roberta-base"}
    assert not [name for name in ("wavlm", "roberta") if name in printed]


def test_progress_names_every_stage_by_its_role(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    manifest = tmp_path / "m.parquet"
    index(tiny_release, corpus="synthetic", out=manifest, params=params.corpus)
    ends: dict[str, int] = {}
    extract(
        manifest,
        variants=["context-mmt:mmt-frozen"],
        store=tmp_path / "store",
        out=tmp_path / "features.json",
        params=params.features,
        corpus=params.corpus,
        progress=lambda stage, done, total: ends.update({stage: total - done}),
    )
    assert ends == dict.fromkeys(("read audio", "read text", "extract speech_layers", "extract text_layers"), 0)
