"""Every family against a plain loop over transformers, one input at a time and without padding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertModel,
    CLIPImageProcessorPil,
    CLIPVisionModelWithProjection,
    RobertaModel,
    Wav2Vec2FeatureExtractor,
    WavLMModel,
    WhisperFeatureExtractor,
    WhisperModel,
)

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.features.encoders.builders import build_encoder, build_preparer
from merflow.features.encoders.huggingface.checkpoints import config_of
from merflow.features.encoders.huggingface.processors import token_limit
from merflow.features.encoders.interface import Encoder
from tests.features.encoders.huggingface.drawn_media import films, recordings

Loop = Callable[[Path, Any], Any]

RELATIVE = 1e-4


AUDIO = recordings(96_000, 16_001, 80_000, 400, 33_333, 96_000)
TEXT = ["I am so happy for you!", "Okay.", "nobody will take my luggage, do you know?", "Ünïcödé 😀"]


def encoder(name: str, folder: Path, *, layers: str | None = "all", role: Role = "speech_layers") -> Encoder:
    settings: dict[str, Any] = {"model": str(folder), "dtype": "float32"} | (
        {} if layers is None else {"layers": layers}
    )
    return build_encoder(EncoderSpec(name=name, settings=settings), Stream(role), device="cpu")


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()


def assert_equals_loop(made: Encoder, sources: Sequence[Any], loop: Callable[[Any], np.ndarray]) -> None:
    prepared = [made.prepare(source) for source in sources]
    together = made.encode(prepared)
    assert len(together) == len(sources)
    for source, one, found in zip(sources, prepared, together, strict=True):
        assert_close(found, loop(source))
        assert_close(found, made.encode([one])[0])


def reference(kind: Any, folder: Path, **settings: Any) -> Any:  # noqa: ANN401
    return kind.from_pretrained(folder, **settings).eval()


def states(output: Any, *, layers: str = "all") -> np.ndarray:  # noqa: ANN401
    every = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.stack(every if layers == "all" else every[1:], dim=2)[0].numpy()


@pytest.mark.parametrize("name", ["wavlm-large", "wavlm-base"])
def test_wavlm_in_batches_of_mixed_lengths_equals_one_by_one_without_padding(encoders: Path, name: str) -> None:
    folder = encoders / name
    extractor, model = Wav2Vec2FeatureExtractor.from_pretrained(folder), reference(WavLMModel, folder)
    assert extractor.do_normalize == (name == "wavlm-large")
    assert model.config.feat_extract_norm == ("layer" if name == "wavlm-large" else "group")

    def loop(samples: np.ndarray) -> np.ndarray:
        values = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            return states(model(values, output_hidden_states=True))

    made = encoder("wavlm", folder)
    assert made.shape == StreamShape(layers=4, width=32)
    assert_equals_loop(made, AUDIO, loop)


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_padding_wavlm_base_with_a_mask_alone_would_change_its_numbers(encoders: Path) -> None:
    """Show that padding changes the results of transformers' own first normalization, which is why it is replaced."""
    model = reference(WavLMModel, encoders / "wavlm-base")
    short = torch.from_numpy(AUDIO[1])[None]
    padded, mask = torch.zeros(1, 96_000), torch.zeros(1, 96_000, dtype=torch.long)
    padded[:, : short.shape[1]], mask[:, : short.shape[1]] = short, 1
    with torch.no_grad():
        alone = model(short).last_hidden_state[0]
        beside = model(padded, attention_mask=mask).last_hidden_state[0, : len(alone)]
    assert (alone - beside).abs().max() > 0.01 * alone.abs().max()


def test_layers_are_the_last_all_of_them_or_those_of_the_transformer(encoders: Path) -> None:
    arrays = {}
    for layers in ("last", "all", "transformer"):
        made = encoder("wavlm", encoders / "wavlm-large", layers=layers)
        (arrays[layers],) = made.encode([made.prepare(AUDIO[1])])
        assert made.shape.layers == {"last": None, "all": 4, "transformer": 3}[layers]
    assert np.array_equal(arrays["all"][:, 1:], arrays["transformer"])
    assert_close(arrays["all"][:, -1], arrays["last"])


def test_six_seconds_are_299_steps_of_wavlm_and_five_are_249(encoders: Path) -> None:
    made = encoder("wavlm", encoders / "wavlm-base", layers="last")
    six, five, none, nothing = recordings(96_000, 80_000, 399, 0)
    arrays = made.encode([made.prepare(samples) for samples in (six, five, none, nothing)])
    assert [len(array) for array in arrays] == [299, 249, 0, 0]
    assert arrays[2].shape == (0, 32)
    assert [made.prepare(samples).cost for samples in (six, five, none)] == [299, 249, 1]
    assert made.encode([made.prepare(none)])[0].shape == (0, 32)


def test_a_step_of_wavlm_sees_its_own_25_ms(encoders: Path) -> None:
    folder = encoders / "wavlm-large"
    hop, window = 320, 400
    model = reference(WavLMModel, folder)
    samples = torch.from_numpy(AUDIO[1].copy())[None]
    with torch.no_grad():
        before = model.feature_extractor(samples)
        samples[0, 6400] += 1.0  # at 0.4 s
        changed = (model.feature_extractor(samples) != before).any(dim=1)[0].nonzero()[:, 0].numpy()
    assert set(changed) == {step for step in range(50) if step * hop <= 6400 < step * hop + window}


def test_whisper_keeps_the_steps_of_the_recording_and_continues_after_30_s(encoders: Path) -> None:
    folder = encoders / "whisper-small.en"
    extractor, model = WhisperFeatureExtractor.from_pretrained(folder), reference(WhisperModel, folder)

    def loop(samples: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(samples), 480_000):
            part = samples[start : start + 480_000]
            mel = extractor(part, sampling_rate=16_000, return_tensors="pt").input_features
            with torch.no_grad():
                output = model.encoder(mel, output_hidden_states=True)
            parts.append(states(output, layers="transformer")[: -(-len(part) // 320)])
        return np.concatenate(parts)

    made = encoder("whisper-encoder", folder, layers="transformer")
    sources = recordings(96_000, 500_000, 161)
    assert_equals_loop(made, sources, loop)
    assert [len(array) for array in made.encode([made.prepare(each) for each in sources])] == [300, 1563, 1]
    assert made.encode([made.prepare(sources[0][:0])])[0].shape == (0, 2, 32)


def test_a_click_is_in_the_whisper_step_of_its_time(encoders: Path) -> None:
    extractor = WhisperFeatureExtractor.from_pretrained(encoders / "whisper-small.en")
    samples = np.zeros(96_000, dtype=np.float32)
    samples[64_000] = 1.0  # at 4 s
    mel = extractor(samples, sampling_rate=16_000, return_tensors="np").input_features[0]
    loudest = int(mel.sum(axis=0).argmax()) // 2
    assert 0.02 * loudest == pytest.approx(4.0, abs=0.02)


@pytest.mark.parametrize(
    ("name", "model", "kind"), [("roberta", "roberta-base", RobertaModel), ("bert", "bert-base-uncased", BertModel)]
)
def test_texts_in_batches_equal_one_by_one(encoders: Path, name: str, model: str, kind: Any) -> None:  # noqa: ANN401
    folder = encoders / model
    tokenizer, plain = AutoTokenizer.from_pretrained(folder), reference(kind, folder, add_pooling_layer=False)

    def loop(text: str) -> np.ndarray:
        with torch.no_grad():
            return states(plain(**tokenizer(text, return_tensors="pt"), output_hidden_states=True))

    made = encoder(name, folder, role="text_layers")
    assert made.shape == StreamShape(layers=4, width=32)
    assert_equals_loop(made, TEXT, loop)


@pytest.mark.parametrize(("name", "model"), [("roberta", "roberta-base"), ("bert", "bert-base-uncased")])
def test_a_long_text_is_cut_at_the_limit_and_keeps_its_special_tokens(encoders: Path, name: str, model: str) -> None:
    folder = encoders / model
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert token_limit(config_of(folder), tokenizer.model_max_length) == 512
    assert token_limit(config_of(folder), 10**30) == 512
    made = encoder(name, folder, layers="last", role="text")
    ids = made.prepare("happy " * 900).values
    assert len(ids) == 512
    ends = [tokenizer.cls_token_id, tokenizer.sep_token_id]
    assert [ids[0], ids[-1]] == ends
    assert np.array_equal(ids[:-1], tokenizer("happy " * 900)["input_ids"][:511])
    short = made.prepare("happy").values
    assert [short[0], short[-1]] == ends
    assert made.encode([made.prepare("happy " * 900)])[0].shape == (512, 32)


@pytest.mark.parametrize(("name", "model"), [("roberta", "roberta-base"), ("bert", "bert-base-uncased")])
def test_an_empty_text_has_no_step_and_leaves_its_neighbours_alone(encoders: Path, name: str, model: str) -> None:
    made = encoder(name, encoders / model, role="text_layers")
    alone = made.encode([made.prepare(TEXT[0])])[0]
    empty, words, blank = made.encode([made.prepare(text) for text in ("", TEXT[0], " \n")])
    assert empty.shape == blank.shape == (0, 4, 32)
    assert_close(words, alone)
    assert made.encode([made.prepare("")])[0].shape == (0, 4, 32)


def test_image_embeddings_equal_the_processor_and_model_frame_by_frame(encoders: Path) -> None:
    folder = encoders / "clip-vit-large-patch14"
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    model = reference(CLIPVisionModelWithProjection, folder)

    def loop(frames: np.ndarray) -> np.ndarray:
        embeddings = []
        for frame in frames:
            with torch.no_grad():
                embeddings.append(model(**processor(frame, return_tensors="pt")).image_embeds[0].numpy())
        return np.stack(embeddings)

    made = encoder("clip-image", folder, layers=None, role="video")
    assert made.shape == StreamShape(layers=None, width=24)
    assert_equals_loop(made, films(3, 62, 1), loop)
    assert made.encode([made.prepare(films(0)[0])])[0].shape == (0, 24)
    both = made.encode([made.prepare(each) for each in films(0, 2)])
    assert [len(array) for array in both] == [0, 2]


def test_the_first_half_alone_prepares_the_same_and_keeps_pixels_small(encoders: Path) -> None:
    folder = encoders / "clip-vit-large-patch14"
    spec = EncoderSpec(name="clip-image", settings={"model": str(folder), "dtype": "float32"})
    prepared = build_preparer(spec, Stream("video")).prepare(films(2)[0])
    assert prepared.values.dtype == np.uint8
    assert prepared.values.shape == (2, 3, 224, 224)
    assert prepared.cost == 2
    whole = build_encoder(spec, Stream("video"), device="cpu").prepare(films(2)[0])
    assert np.array_equal(prepared.values, whole.values)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("dtype", "relative"), [("float32", RELATIVE), ("bfloat16", 0.05), ("float16", 0.01)])
@pytest.mark.parametrize(
    ("name", "model", "role", "sources"),
    [
        ("wavlm", "wavlm-large", "speech_layers", AUDIO),
        ("wavlm", "wavlm-base", "speech_layers", AUDIO),
        ("whisper-encoder", "whisper-small.en", "speech_layers", AUDIO[:2]),
        ("roberta", "roberta-base", "text_layers", TEXT),
        ("clip-image", "clip-vit-large-patch14", "video", films(3, 2)),
    ],
)
def test_a_gpu_agrees_with_the_cpu(
    encoders: Path, name: str, model: str, role: Role, sources: list[Any], dtype: str, relative: float, compiled: bool
) -> None:
    settings: dict[str, Any] = {"model": str(encoders / model), "dtype": dtype, "compile": compiled}
    settings |= {} if role == "video" else {"layers": "all"}
    spec = EncoderSpec(name=name, settings=settings)
    gpu = build_encoder(spec, Stream(role), device="cuda")
    cpu = encoder(name, encoders / model, layers=None if role == "video" else "all", role=role)
    prepared = [cpu.prepare(source) for source in sources]
    for found, expected in zip(gpu.encode(prepared), cpu.encode(prepared), strict=True):
        assert np.abs(found - expected).max() <= relative * np.abs(expected).max()
