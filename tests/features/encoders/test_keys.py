from dataclasses import replace

import pytest

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError
from merflow.features.encoders import keys as key_module
from merflow.features.encoders.builders import ENCODERS
from merflow.features.encoders.keys import feature_key, why_unreadable

SPEC = EncoderSpec(name="lite-speech", settings={"mel_bands": 24, "window_s": 0.4})
STREAM = Stream("speech")


def test_every_ingredient_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        feature_key(SPEC, STREAM).digest,
        feature_key(SPEC, replace(STREAM, clip_s=5.0)).digest,
        feature_key(SPEC, replace(STREAM, clip_s=6.0)).digest,
        feature_key(SPEC, replace(STREAM, skip_silence=True)).digest,
        feature_key(SPEC, replace(STREAM, pooled=True)).digest,
        feature_key(SPEC.model_copy(update={"name": "lite-speech-layers"}), STREAM).digest,
        feature_key(SPEC.model_copy(update={"digest": "0" * 16}), STREAM).digest,
        feature_key(SPEC.model_copy(update={"settings": {"mel_bands": 25, "window_s": 0.4}}), STREAM).digest,
        feature_key(SPEC.model_copy(update={"settings": {"mel_bands": 24, "window_s": 0.5}}), STREAM).digest,
    ]
    monkeypatch.setattr(key_module, "EXTRACTION_VERSION", key_module.EXTRACTION_VERSION + 1)
    keys.append(feature_key(SPEC, STREAM).digest)
    monkeypatch.undo()
    entry = ENCODERS["lite-speech"]
    monkeypatch.setitem(ENCODERS, "lite-speech", replace(entry, version=entry.version + 1))
    keys.append(feature_key(SPEC, STREAM).digest)
    monkeypatch.undo()
    monkeypatch.setattr(key_module, "STORED_DTYPE", "float32")
    keys.append(feature_key(SPEC, STREAM).digest)
    assert len(set(keys)) == len(keys) == 12
    assert all(len(key) == 16 for key in keys)


def test_what_does_not_change_the_numbers_does_not_change_the_key() -> None:
    pooled = replace(STREAM, pooled=True)
    assert feature_key(SPEC, pooled).digest == feature_key(SPEC, replace(pooled, neighbours=4)).digest
    assert feature_key(SPEC, STREAM).digest == feature_key(SPEC, Stream("context")).digest


def test_an_unknown_encoder_names_the_nearest() -> None:
    spec = EncoderSpec(name="lite-speach")
    with pytest.raises(FeatureError, match="unknown encoder 'lite-speach'; did you mean 'lite-speech'"):
        feature_key(spec, STREAM)


def test_features_of_other_versions_are_never_read() -> None:
    key = feature_key(SPEC, STREAM)
    assert why_unreadable(key) is None
    unknown = key.encoder.model_copy(update={"name": "lite-speach"})
    assert why_unreadable(key.model_copy(update={"encoder": unknown})) == (
        "this version of merflow has no encoder 'lite-speach'"
    )
    for version in ("encoder_version", "extraction_version"):
        assert "another version" in (why_unreadable(key.model_copy(update={version: 0})) or "")
