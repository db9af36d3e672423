"""Inputs that are prepared without transformers equal the output of its own processors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPImageProcessorPil, Wav2Vec2FeatureExtractor

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError
from merflow.features.encoders.builders import build_preparer


@pytest.mark.parametrize("name", ["wavlm-large", "wavlm-base"])
def test_recordings_are_scaled_as_by_the_feature_extractor(encoders: Path, name: str) -> None:
    spec = EncoderSpec(name="wavlm", settings={"model": str(encoders / name), "layers": "last", "dtype": "float32"})
    preparer = build_preparer(spec, Stream("speech"))
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(encoders / name)
    for samples in (np.random.default_rng(0).standard_normal(9000) * 0.01 + 0.3, np.full(800, 0.25), np.zeros(800)):
        source = samples.astype(np.float32)
        (expected,) = extractor(source, sampling_rate=16_000)["input_values"]
        values = preparer.prepare(source).values
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected)


def test_raw_recordings_are_left_as_they_are(encoders: Path) -> None:
    spec = EncoderSpec(
        name="wavlm",
        settings={"model": str(encoders / "wavlm-large"), "layers": "last", "dtype": "float32", "raw_waveform": True},
    )
    preparer = build_preparer(spec, Stream("speech"))
    source = (np.random.default_rng(0).standard_normal(9000) * 0.01 + 0.3).astype(np.float32)
    np.testing.assert_array_equal(preparer.prepare(source).values, source)


@pytest.mark.parametrize("size", [(240, 360), (211, 357), (301, 223), (224, 224)])
@pytest.mark.parametrize("short", [224, 97, {"height": 120, "width": 90}])
def test_pictures_of_any_size_are_cut_as_by_the_processor(
    encoders: Path, tmp_path: Path, size: tuple[int, int], short: int | dict[str, int]
) -> None:
    folder = Path(shutil.copytree(encoders / "clip-vit-large-patch14", tmp_path / "clip"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings["size"] = {"shortest_edge": short} if isinstance(short, int) else short
    settings["crop_size"] = {"height": 90, "width": 85}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    frames = np.random.default_rng(2).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    expected = processor(list(frames), do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    spec = EncoderSpec(name="clip-image", settings={"model": str(folder), "dtype": "float32"})
    assert np.array_equal(build_preparer(spec, Stream("video")).prepare(frames).values, expected)


def test_sizes_of_pictures_that_make_no_sense_are_named(encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / "clip-vit-large-patch14", tmp_path / "clip"))
    path = folder / "preprocessor_config.json"
    spec = EncoderSpec(name="clip-image", settings={"model": str(folder), "dtype": "float32"})
    for wrong in ({"edge": 224}, "224", {"height": 0, "width": 9}):
        path.write_text(json.dumps({"size": wrong}))
        with pytest.raises(FeatureError, match=r"preprocessor_config\.json has size .*, expected shortest_edge"):
            build_preparer(spec, Stream("video"))
    path.write_text(json.dumps({"do_resize": False}))
    with pytest.raises(FeatureError, match=r"leaves pictures at their own sizes; set do_resize"):
        build_preparer(spec, Stream("video"))
    path.write_text(json.dumps({"size": 50}))
    with pytest.raises(FeatureError, match=r"pictures of 75x50 after resizing are smaller than 224x224"):
        build_preparer(spec, Stream("video")).prepare(np.zeros((1, 240, 360, 3), dtype=np.uint8))
