"""Features that came with the corpus, through the jobs."""

from pathlib import Path

import pytest

from merflow.contracts.extracted_features import ExtractedFeatures, read_extracted_features
from merflow.contracts.params import Params
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import FeatureError
from merflow.inference.media_batches import MediaEncoders
from merflow.jobs.extract import extract, keys_of
from merflow.jobs.index import index
from merflow.jobs.store import summaries


def extracted(
    path: Path,
    variant: str,
    folder: Path,
    params: Params,
    *,
    corpus: str = "synthetic-mosei-pickle",
    profile: str = "mosei",
) -> ExtractedFeatures:
    manifest = index(path, corpus=corpus, out=folder / "manifest.parquet", params=params.corpus)
    out = extract(
        manifest,
        variants=[variant],
        store=folder / "store",
        out=folder / "features.json",
        params=params.features.model_copy(update={"profile": profile}),
        corpus=params.corpus,
    )
    return read_extracted_features(out)


def test_the_record_names_file_and_keys(mosei_pickles: Path, tmp_path: Path, params: Params) -> None:
    found = extracted(mosei_pickles / FILES["unaligned"], "gia-mic:full", tmp_path, params)
    assert {each.stream.role: (each.shape.width, each.entries) for each in found.streams} == {
        "speech": (74, 100),
        "video": (35, 100),
        "text": (32, 100),
    }
    assert {spec.folder for spec in found.encoders.values()} == {str(mosei_pickles / FILES["unaligned"])}
    settings = params.features.model_copy(update={"profile": "mosei"})
    keys = keys_of(tmp_path / "manifest.parquet", variants=["gia-mic:full"], params=settings)
    assert keys == {each.key for each in found.streams}


def test_both_files_share_a_store_and_its_list_tells_their_arrays(
    mosei_pickles: Path, tmp_path: Path, params: Params
) -> None:
    for name in FILES.values():
        extracted(mosei_pickles / name, "mfdr:full", tmp_path, params)
    listed = [(one.encoder, one.modality, one.width, one.entries) for one in summaries(tmp_path / "store")]
    assert sorted(listed) == [
        *[("precomputed audio", "audio", 74, 100)] * 2,
        *[("precomputed text", "text", 32, 100)] * 2,
    ]


def test_models_that_read_layers_are_refused(mosei_pickles: Path, tmp_path: Path, params: Params) -> None:
    with pytest.raises(FeatureError, match="no encoder for role 'speech_layers'; it has speech, video, text; choose"):
        extracted(mosei_pickles / FILES["aligned"], "context-mmt:mmt-frozen", tmp_path, params)


def test_another_profile_names_the_one_that_reads_the_file(mosei_pickles: Path, tmp_path: Path, params: Params) -> None:
    with pytest.raises(FeatureError, match=r"no 'audio_path' .*, or set features.profile=mosei to read the features"):
        extracted(mosei_pickles / FILES["aligned"], "mfdr:full", tmp_path, params, profile="lite")


def test_a_corpus_of_recordings_brings_no_features(tiny_release: Path, tmp_path: Path, params: Params) -> None:
    with pytest.raises(
        FeatureError, match=f"{tiny_release} is not a file that has them; choose another features.profile"
    ):
        extracted(tiny_release, "mfdr:full", tmp_path, params, corpus="synthetic")


def test_a_model_on_them_reads_no_recording(mosei_pickles: Path, tmp_path: Path, params: Params) -> None:
    found = extracted(mosei_pickles / FILES["aligned"], "mfdr:full", tmp_path, params)
    streams = [each.stream for each in found.streams]
    with pytest.raises(FeatureError, match=r"came with its corpus \(precomputed audio \(file \w{8}\)\); nothing can"):
        MediaEncoders(streams, profile=found.encoders, standardizer=None)
