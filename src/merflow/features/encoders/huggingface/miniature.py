"""Miniature encoders with random weights: the real classes, tokenizers and processors, without a download.

They run the real code path in seconds. Their numbers mean nothing.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from merflow.storage.local import replacing_folder

_SEED = 20
_WIDTH = 32
_HEADS = 4
_LAYERS = 3
_POSITIONS = 512
_PIXELS = 224

# The text that the tokenizers are trained on.
_TEXT = (
    "I do not know what to say to you any more.",
    "Well, that is wonderful, I am so happy for you!",
    "You never listen, do you? I told you to leave me alone.",
    "Okay. We could go to the station tomorrow morning, if you like.",
    "I'm sorry, I miss him every single day and it does not get better.",
    "Did you see the fish? They were running on the beach last night.",
    "Stop it! This is the third time, and nobody will take my luggage.",
    "Excuse me, where is the line for a new licence, please?",
)


def build_miniatures(folder: Path) -> tuple[Path, ...]:
    """Write one folder per encoder, named after the last part of the hub id that it replaces.

    The weights are drawn from a fixed seed, so they are the same every time.

    Args:
        folder: Folder of the encoders' folders; existing ones of the same names are replaced.

    Raises:
        OutputError: The folder cannot be written.
    """
    import torch

    from merflow.features.encoders.huggingface.weights import without_bars

    made = []
    for name, build in _BUILDERS.items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            parts = build()
        with replacing_folder(folder / name) as part, without_bars():
            for saved in parts:
                saved.save_pretrained(part)
            for path in part.iterdir():
                path.chmod(0o644)
        made.append(folder / name)
    return tuple(made)


def _wavlm(*, large: bool) -> tuple[Any, ...]:
    """Build WavLM: large normalizes samples and single frames, base neither."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

    config = WavLMConfig(
        hidden_size=_WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        intermediate_size=2 * _WIDTH,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        layer_norm_eps=1e-5,
    )
    extractor: Any = Wav2Vec2FeatureExtractor(  # type: ignore[no-untyped-call]
        do_normalize=large, return_attention_mask=large
    )
    return WavLMModel(config), extractor


def _clip() -> tuple[Any, ...]:
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        projection_dim=24,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        image_size=_PIXELS,
        patch_size=56,
    )
    return CLIPVisionModelWithProjection(config), CLIPImageProcessorPil()


def _roberta() -> tuple[Any, ...]:
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # in the order of RoBERTa's ids
    tokenizer = RobertaTokenizer(**_byte_pairs(special), model_max_length=_POSITIONS)
    sizes = _text_sizes(len(tokenizer)) | {"max_position_embeddings": _POSITIONS + 2, "type_vocab_size": 1}
    return RobertaModel(RobertaConfig(**sizes), add_pooling_layer=False), tokenizer


def _byte_pairs(special: list[str]) -> dict[str, Any]:
    """Return vocabulary and merges of a byte-level tokenizer, with the special tokens first."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(_TEXT, trainer)
    learned = json.loads(learner.to_str())["model"]
    return {"vocab": learned["vocab"], "merges": [tuple(pair) for pair in learned["merges"]]}


def _bert() -> tuple[Any, ...]:
    """Build BERT; its vocabulary is listed, because training word pieces gives another result in each process."""
    from transformers import BertConfig, BertModel, BertTokenizer

    words = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(_TEXT).lower())))
    starts = sorted({word[:4] for word in words} | set("abcdefghijklmnopqrstuvwxyz0123456789"))
    ends = sorted({f"##{word[4:]}" for word in words if len(word) > 4} | {f"##{start}" for start in starts})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *starts, *ends]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=_POSITIONS)
    sizes = _text_sizes(len(tokenizer)) | {"max_position_embeddings": _POSITIONS}
    return BertModel(BertConfig(**sizes), add_pooling_layer=False), tokenizer


def _whisper() -> tuple[Any, ...]:
    """Build an English Whisper, which transcribes to random words; its window is 30 s, as in the real one."""
    import transformers

    kinds: Any = transformers
    end, start, silent = "<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"
    tokenizer = kinds.WhisperTokenizer(**_byte_pairs([]))
    tokenizer.add_tokens([end, start, "<|translate|>", "<|transcribe|>", "<|nospeech|>", silent], special_tokens=True)
    ids: dict[str, int] = tokenizer.get_vocab()
    special = {
        **{"pad_token_id": ids[end], "bos_token_id": ids[end], "eos_token_id": ids[end]},
        "decoder_start_token_id": ids[start],
    }
    config = kinds.WhisperConfig(
        vocab_size=len(ids),
        d_model=_WIDTH,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * _WIDTH,
        decoder_ffn_dim=2 * _WIDTH,
        max_target_positions=24,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **special,
    )
    model = kinds.WhisperForConditionalGeneration(config)
    words = {index for token, index in ids.items() if token.startswith("\u0120") and len(token) > 2}
    model.generation_config = kinds.GenerationConfig(
        max_length=24,
        suppress_tokens=sorted(set(ids.values()) - words - {ids[end]}),
        begin_suppress_tokens=[ids[end]],
        no_timestamps_token_id=ids[silent],
        is_multilingual=False,
        **special,
    )
    return model, kinds.WhisperFeatureExtractor(), tokenizer, _Spellings()


class _Spellings:
    """The table of Whisper's text normalizer, which transformers does not save with the tokenizer."""

    def save_pretrained(self, folder: Path) -> None:
        """Write the table."""
        (folder / "normalizer.json").write_text(json.dumps({"colour": "color"}), encoding="utf-8")


def _text_sizes(words: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": _WIDTH,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "intermediate_size": 2 * _WIDTH,
    }


_BUILDERS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "wavlm-large": lambda: _wavlm(large=True),
    "wavlm-base": lambda: _wavlm(large=False),
    "clip-vit-large-patch14": _clip,
    "roberta-base": _roberta,
    "bert-base-uncased": _bert,
    "whisper-small.en": _whisper,
}
