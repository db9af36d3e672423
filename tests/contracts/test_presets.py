import pytest

from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError

SPEC = EncoderSpec(name="lite-speech", settings={"mel_bands": 24, "window_s": 0.4})


def test_a_label_names_the_encoder_that_runs() -> None:
    assert SPEC.label == "lite-speech"
    assert EncoderSpec(name="lite-text-layers", settings={"width": 256, "layers": 4}).label == "lite-text-layers"
    wavlm = EncoderSpec(name="wavlm", settings={"model": "microsoft/wavlm-large", "layers": "last"})
    assert wavlm.label == "wavlm microsoft/wavlm-large last"


def test_a_role_that_the_profile_lacks_is_named() -> None:
    profile: Profile = {"speech": SPEC}
    with pytest.raises(FeatureError, match="no encoder for role 'video'; it has speech"):
        spec_of(Stream("video"), profile)
