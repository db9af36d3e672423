"""Miniatures of encoders."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from merflow.features.encoders.huggingface.miniature import build_miniatures


def test_miniatures_are_the_same_every_time(encoders: Path, tmp_path: Path) -> None:
    again = build_miniatures(tmp_path)
    files = [path for folder in again for path in folder.iterdir()]
    assert len(files) == 24
    for path in files:
        assert path.read_bytes() == (encoders / path.relative_to(tmp_path)).read_bytes(), path
        assert path.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("wavlm-base", "WavLMModel"),
        ("clip-vit-large-patch14", "CLIPVisionModelWithProjection"),
        ("whisper-small.en", "WhisperForConditionalGeneration"),
    ],
)
def test_miniatures_saved_and_loaded_are_bit_equal(encoders: Path, tmp_path: Path, folder: str, kind: str) -> None:
    import transformers

    getattr(transformers, kind).from_pretrained(encoders / folder).save_pretrained(tmp_path)
    first, second = (load_file(path / "model.safetensors") for path in (encoders / folder, tmp_path))
    assert first.keys() == second.keys()
    assert len(first) > 20
    assert all((first[name] == second[name]).all() for name in first)
