import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.params import TranscriptionParams
from merflow.corpus.transcription.speech_windows import windows
from merflow.corpus.transcription.whisper import Whisper, text_normalizer
from merflow.corpus.transcription.whisper_folder import SIZES, find_whisper
from merflow.errors import CorpusError, PretrainedError
from tests.corpus.transcription.whisper_miniature import build_whisper, speech

SETTINGS = {
    "model": "in the test",
    "revision": None,
    "language": None,
    "beams": 1,
    "batch_size": 4,
    "max_new_tokens": 8,
    "device": "cpu",
    "dtype": "float32",
}


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper(tmp_path_factory.mktemp("whisper") / "mini.en", seed=1)


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_whisper(tmp_path_factory.mktemp("whisper") / "mini", multilingual=True, window_s=4)


@pytest.fixture
def copy(english: Path, tmp_path: Path) -> Path:
    """Copy the English model, to damage it."""
    return shutil.copytree(english, tmp_path / "damaged")


def whisper(folder: Path, **settings: object) -> Whisper:
    return Whisper(
        find_whisper(str(folder), revision=None), params=TranscriptionParams.model_validate({**SETTINGS, **settings})
    )


def texts_of(model: Whisper, *recordings: np.ndarray) -> list[str]:
    return model.transcribe(model.prepare(recordings))


def plainly(folder: Path, samples: np.ndarray, **settings: Any) -> str:  # noqa: ANN401 - settings of transformers
    """Transcribe one recording of at most a window, by the shortest way through transformers."""
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer

    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    features = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features
    tokens = model.generate(features, max_new_tokens=8, do_sample=False, **settings)
    text = WhisperTokenizer.from_pretrained(folder).decode(tokens[0], skip_special_tokens=True)
    return str(text).strip()


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_gives_the_texts_of_plain_calls(english: Path, beams: int) -> None:
    recordings = [speech(seed, seconds=seconds) for seed, seconds in enumerate((0.3, 7.5, 30, 2, 1))]

    texts = texts_of(whisper(english, beams=beams), *recordings)
    assert texts == [plainly(english, samples, num_beams=beams) for samples in recordings]
    assert len(set(texts)) >= 3, "the miniature tells no recordings apart"


def test_a_multilingual_model_gets_the_language(multilingual: Path) -> None:
    recordings = [speech(seed, seconds=3) for seed in range(6)]

    english, german = (
        [plainly(multilingual, samples, language=code, task="transcribe") for samples in recordings]
        for code in ("en", "de")
    )
    assert english != german
    assert texts_of(whisper(multilingual, language="en"), *recordings) == english
    assert texts_of(whisper(multilingual, language="de"), *recordings) == german
    found = texts_of(whisper(multilingual, language=None), *recordings)  # the model detects it
    assert all(text in pair for text, pair in zip(found, zip(english, german, strict=True), strict=True))


def test_forty_seconds_are_transcribed_in_two_pieces(english: Path) -> None:
    samples = speech(6, seconds=40)
    model = whisper(english)
    prepared = model.prepare([speech(7, seconds=1), samples, speech(8, seconds=2)])

    assert prepared.counts == (1, 2, 1)
    assert tuple(prepared.features.shape) == (4, 8, 3000)
    pieces = windows(samples, longest=30 * 16_000)
    assert len(pieces) == 2
    assert model.transcribe(prepared)[1] == " ".join(plainly(english, piece) for piece in pieces)


def test_more_windows_than_a_batch_take_several(english: Path) -> None:
    recordings = [speech(seed, seconds=1) for seed in range(5)]

    assert texts_of(whisper(english, batch_size=2), *recordings) == texts_of(
        whisper(english, batch_size=16), *recordings
    )


def test_half_precision_works_too(english: Path) -> None:
    texts = texts_of(whisper(english, dtype="bfloat16"), speech(0, seconds=2))

    assert len(texts[0].split()) > 1


def test_identity_depends_on_files_and_settings_not_on_the_path(english: Path, copy: Path) -> None:
    known = whisper(english).identity

    assert whisper(copy).identity == known
    (copy / "normalizer.json").write_text("{}")  # decides no transcript
    assert whisper(copy).identity == known
    assert whisper(english, batch_size=1, language="en").identity == known
    others = [
        whisper(english, **change).identity for change in ({"beams": 2}, {"max_new_tokens": 9}, {"dtype": "float16"})
    ]
    (copy / "generation_config.json").write_text((english / "generation_config.json").read_text() + " ")
    assert len({known, whisper(copy).identity, *others}) == 5


def test_every_size_is_a_commit_of_a_repository() -> None:
    assert len(SIZES) == 11
    assert all(repository == f"openai/whisper-{size}" for size, (repository, _) in SIZES.items())
    assert {len(commit) for _, commit in SIZES.values()} == {40}


@pytest.mark.parametrize("name", ["./none", "smal.en", "/no/such/folder", "a/b/c"])
def test_a_missing_model(name: str) -> None:
    with pytest.raises(CorpusError, match=f"no Whisper model '{name}': it is neither a folder nor a size"):
        find_whisper(name, revision=None)


def test_a_misspelt_size() -> None:
    with pytest.raises(CorpusError, match=r"did you mean 'small.en'\?"):
        find_whisper("smal.en", revision=None)


@pytest.mark.parametrize("name", ["small.en", "someone/whisper-of-his"])
def test_a_model_of_the_hub_without_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository, revision = SIZES.get(name, (name, "main"))
    with pytest.raises(PretrainedError) as caught:
        find_whisper(name, revision=None)
    folder = f"DIR/{repository.rpartition('/')[2]}"
    assert f"{repository} at revision {revision} is not on this machine and the hub cannot be" in str(caught.value)
    assert f"run `hf download {repository} --revision {revision} --local-dir {folder}`" in str(caught.value)
    assert str(caught.value).endswith("copy the folder here and set transcription.model to it")


def test_a_commit_that_is_on_this_machine_needs_no_network(
    english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository, commit = SIZES["tiny.en"]
    snapshot = tmp_path / f"models--{repository.replace('/', '--')}" / "snapshots" / commit
    shutil.copytree(english, snapshot)

    found = find_whisper("tiny.en", revision=None)
    assert (found.path, found.revision) == (snapshot, commit)
    assert found.digest == find_whisper(str(english), revision=None).digest


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("generation_config.json", "lacks generation_config.json; copy the missing files"),
        ("preprocessor_config.json", "lacks preprocessor_config.json"),
        ("model.safetensors", "lacks model.safetensors"),
        ("config.json", "contains no model: it has no config.json"),
    ],
)
def test_a_folder_that_lacks_a_file(copy: Path, name: str, lacking: str) -> None:
    (copy / name).unlink()

    with pytest.raises(CorpusError, match=lacking):
        find_whisper(str(copy), revision=None)


def test_a_folder_that_lacks_its_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").unlink()
    find_whisper(str(copy), revision=None)  # vocab.json and merges.txt do as well
    (copy / "merges.txt").unlink()

    with pytest.raises(CorpusError, match=r"lacks tokenizer\.json"):
        find_whisper(str(copy), revision=None)


def test_a_folder_that_lacks_a_shard(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    shards = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(shards))

    with pytest.raises(CorpusError, match=r"lacks model-00002-of-00002\.safetensors;"):
        find_whisper(str(copy), revision=None)


def test_a_folder_of_another_architecture(tmp_path: Path) -> None:
    from transformers import WavLMConfig, WavLMModel

    config = WavLMConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,),
        conv_stride=(5,), conv_kernel=(10,), num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    WavLMModel(config).save_pretrained(tmp_path / "wavlm")

    with pytest.raises(CorpusError, match="wavlm contains a WavLMModel, expected WhisperForConditionalGeneration"):
        find_whisper(str(tmp_path / "wavlm"), revision=None)


def test_files_that_are_damaged(copy: Path) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CorpusError, match=r"cannot load WhisperForConditionalGeneration from .*; download the model"):
        texts_of(whisper(copy), speech(0, seconds=1))
    (copy / "config.json").write_text("{")
    with pytest.raises(PretrainedError, match=r"config.json is not readable JSON"):
        find_whisper(str(copy), revision=None)


def test_weights_that_lack_a_tensor(copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    name = "model.encoder.conv1.weight"
    save_file(
        {key: value for key, value in tensors.items() if key != name}, copy / "model.safetensors", {"format": "pt"}
    )

    with pytest.raises(CorpusError, match=rf"lack 1 tensor\(s\), {name} first; download the model again"):
        texts_of(whisper(copy), speech(0, seconds=1))


def test_files_of_two_models_in_one_folder(copy: Path, multilingual: Path) -> None:
    shutil.copy(multilingual / "preprocessor_config.json", copy)

    with pytest.raises(CorpusError, match=r"preprocessor_config.json has 400 frames per window, but the model "):
        texts_of(whisper(copy), speech(0, seconds=1))


def test_an_english_model_without_its_spelling_table(copy: Path) -> None:
    folder = find_whisper(str(copy), revision=None)
    assert text_normalizer(folder, language="en").apply("Colour!").strip() == "color"
    (copy / "normalizer.json").unlink()

    with pytest.raises(CorpusError, match=r"lacks normalizer\.json, the spelling table of Whisper's English"):
        text_normalizer(folder, language="en")


def test_languages_that_the_model_does_not_know(english: Path, multilingual: Path) -> None:
    with pytest.raises(CorpusError, match=r"knows only English, but transcription.language is 'de'"):
        whisper(english, language="de")
    with pytest.raises(CorpusError, match=r"doesn't know transcription.language 'xx' \(known: de, en\)"):
        whisper(multilingual, language="xx")


def test_a_missing_gpu(english: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(CorpusError, match=r"transcription.device is cuda, but torch sees no GPU"):
        whisper(english, device="cuda")
