import pytest

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import ROLES, Stream
from merflow.errors import FeatureError, ParamsError
from merflow.features.encoders.builders import batch_cost, build_encoder
from merflow.presets.profiles import shipped_profile

SPEC = EncoderSpec(name="lite-speech", settings={"mel_bands": 24, "window_s": 0.4})
STREAM = Stream("speech")


def test_the_lite_profile_builds_an_encoder_for_every_role() -> None:
    profile = shipped_profile("lite").roles
    assert set(profile) == set(ROLES)
    layered = {role for role in ROLES if build_encoder(profile[role], Stream(role)).shape.layers is not None}
    assert layered == {"speech_layers", "text_layers"}


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
