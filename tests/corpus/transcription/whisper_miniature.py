"""Miniature Whisper models as local folders: every real class and file, random weights, no download."""

import json
from pathlib import Path
from typing import Any

import numpy as np

SENTENCE = "well no I do not know what you mean the quick brown fox said it was a colour he could not forget"
LANGUAGES = ("en", "de")


def build_whisper(folder: Path, *, multilingual: bool = False, window_s: int = 30, seed: int = 0) -> Path:
    """Save a model with one encoder and one decoder layer that talks nonsense, the same for the same seed."""
    import torch
    import transformers

    kinds: Any = transformers

    folder.mkdir(parents=True)
    ids = _tokenizer(folder, multilingual=multilingual)
    extractor = kinds.WhisperFeatureExtractor(feature_size=8, chunk_length=window_s)
    extractor.save_pretrained(folder)
    special = {
        "pad_token_id": ids["<|endoftext|>"],
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|endoftext|>"],
        "decoder_start_token_id": ids["<|startoftranscript|>"],
    }
    config = kinds.WhisperConfig(
        vocab_size=len(ids),
        num_mel_bins=8,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=extractor.nb_max_frames // 2,
        max_target_positions=64,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **special,
    )
    torch.manual_seed(seed)
    model = kinds.WhisperForConditionalGeneration(config)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim > 1:
                values.normal_(std=1.0 if "embed" in name else _gain(name) / values[0].numel() ** 0.5)
    extra: dict[str, object] = {"forced_decoder_ids": [[1, ids["<|notimestamps|>"]]]}  # as English ones of the hub
    if multilingual:
        extra = {
            "lang_to_id": {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES},
            "task_to_id": {task: ids[f"<|{task}|>"] for task in ("translate", "transcribe")},
        }
    said = {"<|endoftext|>", *(f"\u0120{word}" for word in SENTENCE.split())}
    suppressed = [number for token, number in ids.items() if token not in said]
    model.generation_config = kinds.GenerationConfig(
        max_length=64,
        suppress_tokens=suppressed,
        begin_suppress_tokens=[ids["<|endoftext|>"]],
        no_timestamps_token_id=ids["<|notimestamps|>"],
        is_multilingual=multilingual,
        **special,
        **extra,
    )
    model.save_pretrained(folder)
    return folder


def _gain(name: str) -> float:
    """Enlarge the weights that process sound: otherwise the text would be the same for any sound."""
    return 10.0 if "encoder_attn" in name or "encoder.conv" in name else 1.0


def _tokenizer(folder: Path, *, multilingual: bool) -> dict[str, int]:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import WhisperTokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator([SENTENCE] * 4, vocab_size=330, show_progress=False)
    trained.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    merges = [tuple(line.split()) for line in (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]]
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges)
    languages = [f"<|{code}|>" for code in LANGUAGES] if multilingual else []
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>"]
    special += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer.add_tokens(special, special_tokens=True)
    tokenizer.save_pretrained(folder)
    (folder / "normalizer.json").write_text(json.dumps({"colour": "color"}), encoding="utf-8")
    return dict(tokenizer.get_vocab())


def speech(seed: int, *, seconds: float, rate_hz: int = 16_000) -> np.ndarray:
    """Return a gliding harmonic tone with noise, a different one for each seed."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (90 + 35 * (seed % 9)) * time_s * (1 + 0.2 * np.sin(time_s + seed))
    voice = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.2 * voice + 0.02 * random.standard_normal(len(time_s))).astype(np.float32)
