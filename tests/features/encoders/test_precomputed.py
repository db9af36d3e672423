from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.mosei_pickle import open_mosei_pickle
from merflow.corpus.synthetic.mosei_pickles import FILES
from merflow.errors import FeatureError, ParamsError
from merflow.features.encoders.builders import build_encoder, check_encoder, modality_of
from merflow.features.encoders.keys import feature_key
from merflow.features.encoders.precomputed import PrecomputedInput, bound, is_precomputed
from merflow.presets.profiles import shipped_profile

AUDIO = EncoderSpec(name="precomputed", settings={"array": "audio"})
SPEECH = Stream("speech")


def on(path: Path, spec: EncoderSpec = AUDIO) -> EncoderSpec:
    return bound({"speech": spec}, root=path)["speech"]


def test_an_utterance_is_passed_on_as_the_file_has_it(mosei_pickles: Path) -> None:
    path = mosei_pickles / FILES["unaligned"]
    encoder = build_encoder(on(path), SPEECH)
    assert (encoder.shape.layers, encoder.shape.width) == (None, 74)
    file = open_mosei_pickle(path)
    for clip in file.clips[::9]:
        prepared = encoder.prepare(PrecomputedInput(clip.utterance_id))
        expected = file.parts[clip.part].steps("audio", clip.row)
        assert prepared.cost == len(expected)
        assert np.array_equal(encoder.encode([prepared])[0], expected)


def test_the_key_changes_with_the_file_and_the_array_and_with_no_cut(mosei_pickles: Path) -> None:
    specs = {name: on(mosei_pickles / file) for name, file in FILES.items()}
    keys = {name: feature_key(spec, SPEECH).digest for name, spec in specs.items()}
    assert len(set(keys.values())) == 2
    cut = Stream("speech", clip_s=6.0, skip_silence=True, transcript="asr")
    assert feature_key(specs["aligned"], cut).digest == keys["aligned"]
    assert feature_key(specs["aligned"], Stream("speech", pooled=True)).digest != keys["aligned"]
    vision = on(mosei_pickles / FILES["aligned"], AUDIO.model_copy(update={"settings": {"array": "vision"}}))
    assert feature_key(vision, Stream("video")).digest != keys["aligned"]


def test_the_key_does_not_change_with_the_location_of_the_file(mosei_pickles: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.pkl"
    copy.write_bytes((mosei_pickles / FILES["aligned"]).read_bytes())
    assert feature_key(on(copy), SPEECH) != feature_key(AUDIO.model_copy(update={"digest": "other"}), SPEECH)
    assert feature_key(on(copy), SPEECH).digest == feature_key(on(mosei_pickles / FILES["aligned"]), SPEECH).digest


def test_a_label_names_the_array_and_a_citation_the_file(mosei_pickles: Path) -> None:
    spec = on(mosei_pickles / FILES["aligned"])
    assert (AUDIO.label, AUDIO.citation) == ("precomputed audio", "precomputed audio")
    assert spec.digest is not None
    assert spec.citation == f"precomputed audio (file {spec.digest[:8]})"
    assert is_precomputed(spec)


def test_each_array_serves_the_roles_of_its_modality() -> None:
    profile = shipped_profile("mosei").roles
    assert {slot: modality_of(spec) for slot, spec in profile.items()} == {
        "speech": "audio",
        "video": "video",
        "text": "text",
    }
    with pytest.raises(FeatureError, match="encoder 'precomputed' reads audio, but role 'text' is text"):
        check_encoder(AUDIO, Stream("text"))
    with pytest.raises(FeatureError, match="yields one layer, but role 'speech_layers' reads several"):
        check_encoder(AUDIO, Stream("speech_layers"))
    with pytest.raises(ParamsError, match="array"):
        check_encoder(EncoderSpec(name="precomputed", settings={"array": "sound"}), SPEECH)


def test_recordings_words_and_other_utterances_are_refused(mosei_pickles: Path) -> None:
    encoder = build_encoder(on(mosei_pickles / FILES["aligned"]), SPEECH)
    for source in ("train-0000_0", np.zeros(16_000, dtype=np.float32)):
        with pytest.raises(FeatureError, match="came with the corpus; they cannot be computed from recordings"):
            encoder.prepare(source)
    with pytest.raises(FeatureError, match="has no utterance absent_1: it is another file"):
        encoder.prepare(PrecomputedInput("absent_1"))


def test_without_a_file_there_is_nothing_to_pass_on(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="no corpus file is given"):
        build_encoder(AUDIO, SPEECH)
    with pytest.raises(FeatureError, match="'precomputed audio' is bound to no file"):
        feature_key(AUDIO, SPEECH)
    with pytest.raises(FeatureError, match=f"{tmp_path} is not a file that has them; choose another features.profile"):
        on(tmp_path)
