import json
from pathlib import Path

import pytest

from merflow.contracts.feature_key import FeatureKey, read_feature_key, write_feature_key
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError

KEY = FeatureKey(
    encoder=EncoderSpec(name="lite-speech", settings={"mel_bands": 24, "window_s": 0.4}),
    encoder_version=1,
    extraction_version=1,
    dtype="float16",
    clip_s=6.0,
    skip_silence=False,
    pooled=False,
)


def test_a_key_is_read_back_with_its_shape(tmp_path: Path) -> None:
    for key in (KEY, KEY.model_copy(update={"transcript": "asr", "clip_s": None})):
        write_feature_key(tmp_path / "meta.json", key, shape=StreamShape(layers=2, width=96))
        assert read_feature_key(tmp_path / "meta.json") == (key, StreamShape(layers=2, width=96))


def test_stores_from_before_this_type_keep_their_keys() -> None:
    assert KEY.digest == "92d905c24dd4de50"
    assert "transcript" not in KEY.facts
    assert KEY.model_copy(update={"transcript": "asr"}).facts == KEY.facts | {"transcript": "asr"}


def test_the_folder_on_this_machine_is_not_part_of_the_key() -> None:
    elsewhere = KEY.model_copy(update={"encoder": KEY.encoder.model_copy(update={"folder": "/encoders/wavlm"})})
    assert elsewhere.digest == KEY.digest


@pytest.mark.parametrize(
    ("changes", "problem"), [({"clip_s": "6"}, "clip_s"), ({"depth": 1}, "depth"), ({"width": None}, None)]
)
def test_a_damaged_key_is_named(tmp_path: Path, changes: dict[str, object], problem: str | None) -> None:
    path = tmp_path / "meta.json"
    write_feature_key(path, KEY, shape=StreamShape(layers=None, width=96))
    content = json.loads(path.read_text()) | changes
    if problem is None:
        del content["width"]
    path.write_text(json.dumps(content))
    with pytest.raises(FeatureError, match=rf"{path} is corrupt \(.*{problem or 'width'}.*; delete it and run"):
        read_feature_key(path)
