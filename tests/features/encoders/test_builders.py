from dataclasses import replace

import pytest

from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import ROLES, Stream
from merflow.errors import FeatureError, ParamsError
from merflow.features.encoders import keys as key_module
from merflow.features.encoders.builders import ENCODERS, batch_cost, build_encoder
from merflow.features.encoders.keys import feature_key
from merflow.presets import catalogue

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
        feature_key(SPEC.model_copy(update={"revision": "main"}), STREAM).digest,
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


def test_the_lite_profile_builds_an_encoder_for_every_role() -> None:
    profile = catalogue.profile("lite")
    assert set(profile) == set(ROLES)
    layered = {role for role in ROLES if build_encoder(profile[role], Stream(role)).shape.layers is not None}
    assert layered == {"speech_layers", "text_layers"}


def test_an_unknown_encoder_names_the_nearest() -> None:
    spec = EncoderSpec(name="lite-speach")
    with pytest.raises(FeatureError, match="unknown encoder 'lite-speach'; did you mean 'lite-speech'"):
        feature_key(spec, STREAM)


def test_an_encoder_of_another_modality_is_refused() -> None:
    with pytest.raises(FeatureError, match="encoder 'lite-speech' reads audio, but role 'text' is text"):
        build_encoder(SPEC, Stream("text"))


def test_a_revision_of_an_encoder_without_revisions_is_refused() -> None:
    with pytest.raises(FeatureError, match="encoder 'lite-speech' has no revisions, but the profile gives 'main'"):
        build_encoder(SPEC.model_copy(update={"revision": "main"}), STREAM)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mel_bands": 24}, "window_s: Field required"),
        ({"mel_bands": 2, "window_s": 0.4}, "mel_bands: Input should be greater than or equal to 8, found 2"),
        ({"mel_bands": 24, "window_s": 0.4, "melbands": 1}, "melbands: unknown key; did you mean 'mel_bands'?"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, int | float | str | bool], words: str) -> None:
    with pytest.raises(ParamsError) as caught:
        build_encoder(EncoderSpec(name="lite-speech", settings=settings), STREAM)
    assert words in str(caught.value)


def test_a_cpu_takes_small_batches_of_what_it_is_slower_with() -> None:
    wavlm = EncoderSpec(name="wavlm", settings={})
    assert batch_cost(wavlm, device="cpu", most=8_000) == 250
    assert batch_cost(wavlm, device="cpu", most=100) == 100
    assert batch_cost(SPEC, device="cpu", most=8_000) == 8_000
    with pytest.raises(FeatureError, match="unknown encoder 'wavml'; did you mean 'wavlm'"):
        batch_cost(wavlm.model_copy(update={"name": "wavml"}), device="cpu", most=1)


def test_a_role_that_the_profile_lacks_is_named() -> None:
    profile: Profile = {"speech": SPEC}
    with pytest.raises(FeatureError, match="no encoder for role 'video'; it has speech"):
        spec_of(Stream("video"), profile)
