"""Weights in the layouts of the hub's own files: full models, older names, pickled tensors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Role, Stream
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.huggingface.checkpoints import locate

Weights = dict[str, Tensor]


def as_wavlm(weights: Weights) -> Weights:
    """Rename the two factors of a weight norm to their earlier names."""
    earlier = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for name, value in weights.items():
        for now, then in earlier.items():
            name = name.replace(now, then)
        renamed[name] = value
    assert sum(name.endswith(("weight_g", "weight_v")) for name in renamed) == 2
    return renamed


def as_bert(weights: Weights) -> Weights:
    """Add a pre-training head and rename LayerNorm's parameters to gamma and beta."""
    renamed = {}
    for name, value in weights.items():
        if "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        renamed[f"bert.{name}"] = value
    return renamed | {"cls.predictions.bias": torch.zeros(8), "bert.pooler.dense.bias": torch.zeros(32)}


def as_roberta(weights: Weights) -> Weights:
    """Add a language model's head and the positions that were once a buffer."""
    positions = {"roberta.embeddings.position_ids": torch.arange(514)[None], "lm_head.bias": torch.zeros(8)}
    return {f"roberta.{name}": value for name, value in weights.items()} | positions


def as_clip(weights: Weights) -> Weights:
    """Add the text tower."""
    return weights | {"text_model.final_layer_norm.bias": torch.zeros(16), "logit_scale": torch.tensor(4.6)}


def as_whisper(weights: Weights) -> Weights:
    """Remove the prefix ``model.`` that the model with a decoder's head has."""
    renamed = {name.removeprefix("model."): value for name, value in weights.items()}
    assert renamed.keys().isdisjoint(weights)
    return renamed


CASES: list[tuple[str, str, Role, Callable[[Weights], Weights]]] = [
    ("wavlm", "wavlm-large", "speech_layers", as_wavlm),
    ("wavlm", "wavlm-base", "speech_layers", as_wavlm),
    ("bert", "bert-base-uncased", "text_layers", as_bert),
    ("roberta", "roberta-base", "text_layers", as_roberta),
    ("clip-image", "clip-vit-large-patch14", "video", as_clip),
    ("whisper-encoder", "whisper-small.en", "speech_layers", as_whisper),
]


def encoded(name: str, folder: Path, role: Role) -> np.ndarray:
    settings: dict[str, Any] = {"model": str(folder), "dtype": "float32"}
    settings |= {} if role == "video" else {"layers": "all"}
    made = build_encoder(EncoderSpec(name=name, settings=settings), Stream(role), device="cpu")
    random = np.random.default_rng(0)
    sources: dict[str, Any] = {
        "speech_layers": random.standard_normal(8000).astype(np.float32),
        "text_layers": "I am so happy for you!",
        "video": random.integers(0, 256, (2, 240, 360, 3), dtype=np.uint8),
    }
    return made.encode([made.prepare(sources[role])])[0]


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize(("name", "model", "role", "published"), CASES)
def test_published_names_give_the_same_numbers(
    name: str,
    model: str,
    role: Role,
    published: Callable[[Weights], Weights],
    pickled: bool,
    encoders: Path,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(encoders / model, tmp_path / model))
    weights = published(load_file(folder / "model.safetensors"))
    if pickled:
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert np.array_equal(encoded(name, folder, role), encoded(name, encoders / model, role))


def test_a_full_clip_model_gives_its_image_tower(encoders: Path, tmp_path: Path) -> None:
    """Use a config of both towers, as on the hub."""
    folder = Path(shutil.copytree(encoders / "clip-vit-large-patch14", tmp_path / "clip"))
    vision = json.loads((folder / "config.json").read_text())
    both = {
        "model_type": "clip",
        "projection_dim": vision["projection_dim"],
        "vision_config": vision,
        "text_config": {},
    }
    (folder / "config.json").write_text(json.dumps(both))
    found = encoded("clip-image", folder, "video")
    assert np.array_equal(found, encoded("clip-image", encoders / "clip-vit-large-patch14", "video"))


def test_shards_of_weights_are_read_and_counted(encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / "bert-base-uncased", tmp_path / "bert"))
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    (folder / "model.safetensors").unlink()
    shards = {"model-00001-of-00002.safetensors": names[:10], "model-00002-of-00002.safetensors": names[10:]}
    for file, held in shards.items():
        save_file({each: weights[each] for each in held}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {each: file for file, held in shards.items() for each in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = encoded("bert", folder, "text_layers")
    assert np.array_equal(found, encoded("bert", encoders / "bert-base-uncased", "text_layers"))
    spec = EncoderSpec(name="bert", settings={"model": str(folder), "layers": "last", "dtype": "float32"})
    before = locate(spec).digest
    last = {each: weights[each] + 1 for each in names[10:]}
    save_file(last, folder / "model-00002-of-00002.safetensors", metadata={"format": "pt"})
    assert locate(spec).digest != before


def test_an_image_processor_of_earlier_versions_is_read(encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / "clip-vit-large-patch14", tmp_path / "clip"))
    now = json.loads((folder / "preprocessor_config.json").read_text())
    earlier = {name: now[name] for name in ("do_resize", "do_center_crop", "do_normalize", "image_mean", "image_std")}
    earlier |= {"size": 224, "crop_size": 224, "resample": 3, "feature_extractor_type": "CLIPFeatureExtractor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(earlier))
    found = encoded("clip-image", folder, "video")
    assert np.array_equal(found, encoded("clip-image", encoders / "clip-vit-large-patch14", "video"))


@pytest.mark.parametrize(("name", "model"), [("bert", "bert-base-uncased"), ("roberta", "roberta-base")])
def test_a_tokenizer_of_plain_vocabulary_files_is_read(name: str, model: str, encoders: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(encoders / model, tmp_path / model))
    held = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 512}))
    if name == "bert":
        (folder / "vocab.txt").write_text("\n".join(sorted(held["vocab"], key=held["vocab"].get)) + "\n")
    else:
        (folder / "vocab.json").write_text(json.dumps(held["vocab"]))
        merges = [" ".join(pair) for pair in held["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    assert np.array_equal(encoded(name, folder, "text_layers"), encoded(name, encoders / model, "text_layers"))
