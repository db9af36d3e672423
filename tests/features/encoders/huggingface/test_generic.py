"""Miniatures with random weights of families that have no encoder of their own here."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Role, Stream
from merflow.errors import FeatureError
from merflow.features.encoders.builders import build_encoder, check_encoder
from merflow.features.encoders.huggingface.checkpoints import locate
from merflow.features.encoders.huggingface.networks import build_network, learn
from merflow.features.encoders.huggingface.weights import without_bars
from merflow.features.encoders.interface import Encoder

kinds: Any = transformers
SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
TEXT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
PICTURE = {**TEXT, "image_size": 56, "patch_size": 14}
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
WORDS = ["Well, you know what I mean.", "No!", "", "I told you to leave me alone, did I not?", "So?"]


def speech_extractor(**settings: bool) -> Any:  # noqa: ANN401 - transformers' own class
    return kinds.Wav2Vec2FeatureExtractor(**settings)


MODELS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "hubert-base": lambda: (kinds.HubertModel(kinds.HubertConfig(**SPEECH)), speech_extractor()),
    "hubert-large": lambda: (kinds.HubertModel(kinds.HubertConfig(**SPEECH, **LAYER_NORM)), speech_extractor()),
    "wav2vec2": lambda: (kinds.Wav2Vec2Model(kinds.Wav2Vec2Config(**SPEECH)), speech_extractor(do_normalize=False)),
    "wav2vec2-bert": lambda: (
        kinds.Wav2Vec2BertModel(kinds.Wav2Vec2BertConfig(**TEXT, feature_projection_input_dim=160)),
        kinds.SeamlessM4TFeatureExtractor(),
    ),
    "deberta": lambda: (
        kinds.DebertaV2Model(
            kinds.DebertaV2Config(
                **TEXT, vocab_size=400, relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"]
            )
        ),
    ),
    "modernbert": lambda: (
        kinds.ModernBertModel(
            kinds.ModernBertConfig(**TEXT, vocab_size=400, pad_token_id=0, cls_token_id=2, sep_token_id=3)
        ),
    ),
    "dinov2": lambda: (
        kinds.Dinov2Model(kinds.Dinov2Config(**PICTURE)),
        kinds.BitImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 56, "width": 56}),
    ),
    "siglip": lambda: (
        kinds.SiglipVisionModel(kinds.SiglipVisionConfig(**PICTURE)),
        kinds.SiglipImageProcessorPil(size={"height": 56, "width": 56}),
    ),
    "siglip-both-towers": lambda: (
        kinds.SiglipModel(kinds.SiglipConfig(vision_config=PICTURE, text_config={**TEXT, "vocab_size": 64})),
        kinds.SiglipImageProcessorPil(size={"height": 56, "width": 56}),
    ),
    "encodec": lambda: (
        kinds.EncodecModel(kinds.EncodecConfig(sampling_rate=16_000, num_filters=4, hidden_size=8, codebook_dim=8)),
        kinds.EncodecFeatureExtractor(sampling_rate=16_000),
    ),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, encoders: Path) -> Path:
    """Return a folder of these models; the texts' have the tokenizer of the miniature BERT."""
    root = tmp_path_factory.mktemp("models")
    for name, build in MODELS.items():
        with torch.random.fork_rng(devices=[]), without_bars():
            torch.manual_seed(0)
            for part in build():
                part.save_pretrained(root / name)
        if name in ("deberta", "modernbert"):
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(encoders / "bert-base-uncased" / file, root / name / file)
    return root


def encoder_of(folder: Path, name: str, role: Role, **settings: str) -> Encoder:
    default = {} if name == "image" else {"layers": "all" if role.endswith("layers") else "last"}
    spec = locate(EncoderSpec(name=name, settings={"model": str(folder), **default, **settings}))
    check_encoder(spec, Stream(role))
    return build_encoder(spec, Stream(role), device="cpu")


def recordings() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.standard_normal(n).astype(np.float32) / 8 for n in (16_000, 5_000, 9_321, 0, 12_345)]


def assert_batched_equals_one_by_one(encoder: Encoder, inputs: list[Any]) -> list[np.ndarray]:
    prepared = [encoder.prepare(each) for each in inputs]
    together = encoder.encode(prepared)
    assert len(together) == len(inputs)
    for one, many in zip(prepared, together, strict=True):
        (alone,) = encoder.encode([one])
        assert alone.shape == many.shape
        assert alone.dtype == many.dtype == np.float32
        np.testing.assert_allclose(many, alone, rtol=0, atol=1e-4 * max(1.0, float(np.abs(alone).max(initial=0))))
    return together


@pytest.mark.parametrize("role", ["speech", "speech_layers"])
@pytest.mark.parametrize(
    ("model", "alone"), [("hubert-base", False), ("hubert-large", False), ("wav2vec2", False), ("wav2vec2-bert", True)]
)
def test_recordings_in_a_batch_are_those_encoded_one_by_one(model: str, alone: bool, role: Role, models: Path) -> None:
    encoder = encoder_of(models / model, "audio", role)
    arrays = assert_batched_equals_one_by_one(encoder, recordings())
    assert getattr(encoder, "alone") is alone  # noqa: B009 - not of every encoder
    assert arrays[0].shape == ((49, 32) if role == "speech" else (49, 4, 32))
    assert len(arrays[3]) == 0


@pytest.mark.parametrize("role", ["text", "text_layers"])
@pytest.mark.parametrize("model", ["deberta", "modernbert"])
def test_texts_in_a_batch_are_those_encoded_one_by_one(model: str, role: Role, models: Path) -> None:
    encoder = encoder_of(models / model, "text", role)
    arrays = assert_batched_equals_one_by_one(encoder, WORDS)
    assert getattr(encoder, "alone") is False  # noqa: B009
    assert arrays[0].shape[1:] == ((32,) if role == "text" else (4, 32))
    assert len(arrays[2]) == 0


@pytest.mark.parametrize(
    ("model", "pooling"),
    [("dinov2", "class"), ("dinov2", "mean"), ("siglip", "pooler"), ("siglip", "mean"), ("siglip-both-towers", "mean")],
)
def test_pictures_in_a_batch_are_those_encoded_one_by_one(model: str, pooling: str, models: Path) -> None:
    encoder = encoder_of(models / model, "image", "video", pooling=pooling)
    random = np.random.default_rng(2)
    films = [random.integers(0, 255, (count, 48, 64, 3), dtype=np.uint8) for count in (3, 0, 10)]
    assert [array.shape for array in assert_batched_equals_one_by_one(encoder, films)] == [(3, 32), (0, 32), (10, 32)]


def test_numbers_are_the_models_own(models: Path) -> None:
    recording = recordings()[0]
    (found,) = (lambda encoder: encoder.encode([encoder.prepare(recording)]))(
        encoder_of(models / "hubert-large", "audio", "speech")
    )
    with torch.no_grad(), without_bars():
        model = kinds.AutoModel.from_pretrained(models / "hubert-large").eval()
        inputs = kinds.AutoFeatureExtractor.from_pretrained(models / "hubert-large")(
            recording, sampling_rate=16_000, return_tensors="pt"
        )
        expected = model(inputs["input_values"]).last_hidden_state[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_family_whose_padding_changes_numbers_is_encoded_one_by_one(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from merflow.features.encoders.huggingface import automodel

    monkeypatch.setattr(automodel, "_frame_norm", lambda _model: None)  # HuBERT-base as transformers has it
    encoder = encoder_of(models / "hubert-base", "audio", "speech")
    assert getattr(encoder, "alone") is True  # noqa: B009
    assert_batched_equals_one_by_one(encoder, recordings())


def test_a_model_without_hidden_states_is_refused(models: Path) -> None:
    with pytest.raises(FeatureError, match=r"the model in .*encodec has no hidden states \(last\): .*; choose another"):
        encoder_of(models / "encodec", "audio", "speech")
    with pytest.raises(
        FeatureError, match=r"the processor in .*siglip-both-towers cannot be read \(Unrecognized feature extr"
    ):
        encoder_of(models / "siglip-both-towers", "audio", "speech")


def test_a_model_of_another_modality_is_refused(models: Path) -> None:
    shutil.copytree(models / "deberta", models / "words")
    (models / "words" / "preprocessor_config.json").write_text(
        (models / "wav2vec2" / "preprocessor_config.json").read_text()
    )
    with pytest.raises(FeatureError, match=r"the deberta-v2 in .*words reads input_ids, but its role .* is audio"):
        encoder_of(models / "words", "audio", "speech")


def test_an_unknown_architecture_and_one_with_its_own_encoder_are_refused(
    models: Path, encoders: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(models / "deberta", tmp_path / "future"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "future-bert"}))
    with pytest.raises(FeatureError, match=r"the weights in .*future cannot be read \(.*future-bert"):
        encoder_of(folder, "text", "text")
    with pytest.raises(FeatureError, match=r"has a whisper, which has its own encoder; write `name: whisper-enc"):
        encoder_of(encoders / "whisper-small.en", "audio", "context")


def test_a_missing_layer_is_refused_and_a_missing_pooler_only_where_it_is_read(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "siglip", tmp_path / "siglip"))
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "head." not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    encoder_of(folder, "image", "video", pooling="mean")
    with pytest.raises(FeatureError, match=r"lacks \d+ weight\(s\) of AutoModel"):
        encoder_of(folder, "image", "video", pooling="pooler")
    some = {name: value for name, value in kept.items() if "layers.2." not in name}
    save_file(some, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FeatureError, match=r"lacks \d+ weight\(s\) of AutoModel, the first is .*layers\.2"):
        encoder_of(folder, "image", "video", pooling="mean")


@pytest.mark.parametrize(
    ("role", "layers", "said"),
    [
        ("text_layers", "last", "yields one layer, but role 'text_layers' reads several; set layers to all or"),
        ("text", "all", "yields layers 'all', but role 'text' reads one; set layers to last"),
    ],
)
def test_layers_that_a_role_does_not_read_are_refused(role: Role, layers: str, said: str, models: Path) -> None:
    with pytest.raises(FeatureError, match=said):
        encoder_of(models / "deberta", "text", role, layers=layers)


@pytest.mark.parametrize(
    ("model", "name", "role"),
    [
        ("hubert-base", "audio", "speech"),
        ("hubert-large", "audio", "speech_layers"),
        ("deberta", "text", "text"),
        ("modernbert", "text", "text_layers"),
        ("dinov2", "image", "video"),
        ("siglip", "image", "video"),
    ],
)
def test_what_learns_in_the_graph_is_what_was_extracted(model: str, name: str, role: Role, models: Path) -> None:
    encoder = encoder_of(models / model, name, role)
    layers = {} if name == "image" else {"layers": "all" if role.endswith("layers") else "last"}
    spec = locate(EncoderSpec(name=name, settings={"model": str(models / model), **layers}))
    network = build_network(spec)
    learning = learn(network, encoder=name, part="everything")
    assert len(learning) >= 20
    if name == "image":
        values = encoder.prepare(np.full((2, 48, 64, 3), 90, dtype=np.uint8))
        units, expected = list(values.values), list(encoder.encode([values])[0][:, None])
    else:
        inputs: list[Any] = [*recordings()[:3]] if name == "audio" else WORDS[:2]
        prepared = [encoder.prepare(each) for each in inputs]
        units, expected = [each.values for each in prepared], encoder.encode(prepared)
    lengths = torch.tensor([len(unit) for unit in units])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(unit) for unit in units], batch_first=True)
    states = network(padded, lengths)
    for row, wanted in zip(states.detach().numpy(), expected, strict=True):
        np.testing.assert_allclose(row[: len(wanted)], wanted, rtol=0, atol=1e-4 * float(np.abs(wanted).max()))
    states.square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None for value in learning.values())


def test_parts_that_a_model_lacks_and_models_without_known_steps_are_refused(models: Path) -> None:
    spec = locate(EncoderSpec(name="audio", settings={"model": str(models / "wav2vec2-bert"), "layers": "last"}))
    with pytest.raises(
        FeatureError, match=r"cannot compute its number of steps in advance, so it cannot be fine-tuned"
    ):
        build_network(spec)
    spec = locate(EncoderSpec(name="text", settings={"model": str(models / "deberta"), "layers": "last"}))
    words = build_network(spec)
    assert all(name.startswith("embeddings.") for name in learn(words, encoder="text", part="embeddings"))
    with pytest.raises(FeatureError, match="no part 'convolutions' to fine-tune"):
        learn(words, encoder="text", part="convolutions")
