"""The input ``words`` of an exported model: the file that computes it from a text, and the facts for that file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from merflow.contracts.exported_model import WordsKind
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.errors import ExportError
from merflow.exporting.words import byte_pairs, word_pieces
from merflow.features.encoders.builders import build_preparer
from merflow.features.encoders.huggingface.processors import TextPreparer
from merflow.features.encoders.lite import hashed_words

_FILES: Mapping[WordsKind, ModuleType] = {
    "vectors": hashed_words,
    "word-pieces": word_pieces,
    "byte-pairs": byte_pairs,
}
# Model, normalizer and pre-tokenizer, as named by Hugging Face's tokenizers.
_WORD_PIECES = ("WordPiece", "BertNormalizer", "BertPreTokenizer")
_BYTE_PAIRS = ("BPE", None, "ByteLevel")


class WordsInput:
    """The words of a clip as an exported model reads them.

    Args:
        spec: The text encoder.
        stream: The stream that reads it.

    Attributes:
        kind: Kind of the input.
        facts: Facts for the file, as JSON.

    Raises:
        ExportError: The encoder's tokenizer is not supported.
    """

    def __init__(self, spec: EncoderSpec, stream: Stream) -> None:
        self.kind: WordsKind = "vectors"
        self.facts: dict[str, Any]
        if spec.name.startswith("lite"):
            self.facts = {"width": int(spec.settings["width"])}
            return
        preparer = build_preparer(spec, stream)
        assert isinstance(preparer, TextPreparer), spec
        described = json.loads(preparer.tokenizer.backend_tokenizer.to_str())
        self.kind, self.facts = _tokens(described, label=spec.label)
        self.facts |= {"padding": int(preparer.tokenizer.pad_token_id), "limit": preparer.limit}

    @property
    def source(self) -> Path:
        """The file, which needs no module other than NumPy."""
        return Path(str(_FILES[self.kind].__file__))

    def array(self, text: str) -> np.ndarray:
        """Return the input, as computed by the file itself."""
        words_of: Callable[[str, Mapping[str, Any]], np.ndarray] = _FILES[self.kind].words_of
        return words_of(text, self.facts)


def _tokens(described: Mapping[str, Any], *, label: str) -> tuple[WordsKind, dict[str, Any]]:
    """Return the kind of a tokenizer, and its facts without padding and length limit."""
    model, normalizer, splitter = (described[key] or {} for key in ("model", "normalizer", "pre_tokenizer"))
    parts = tuple(part.get("type") for part in (model, normalizer, splitter))
    ends = _ends(described["post_processor"] or {})
    if parts == _WORD_PIECES and ends and normalizer["clean_text"] and normalizer["handle_chinese_chars"]:
        lowercase, accents = bool(normalizer["lowercase"]), normalizer["strip_accents"]
        return "word-pieces", ends | {
            "vocabulary": model["vocab"],
            "unknown": model["vocab"][model["unk_token"]],
            "lowercase": lowercase,
            "strips_accents": lowercase if accents is None else accents,
        }
    if parts == _BYTE_PAIRS and ends and splitter["use_regex"]:
        return "byte-pairs", ends | {
            "vocabulary": model["vocab"],
            "merges": model["merges"],
            "leading_space": bool(splitter["add_prefix_space"]),
        }
    raise ExportError(
        f"its text encoder ({label}) has a tokenizer that is neither BERT's nor RoBERTa's "
        f"({', '.join(str(part) for part in parts)}), and ONNX has no operator for it"
    )


def _ends(processor: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens at both ends of a text as ``first`` and ``last``; nothing unless each end has exactly one."""
    if processor.get("type") in ("RobertaProcessing", "BertProcessing"):
        return {"first": int(processor["cls"][1]), "last": int(processor["sep"][1])}
    single = processor.get("single", [])
    if [next(iter(part)) for part in single] != ["SpecialToken", "Sequence", "SpecialToken"]:
        return {}
    first, last = (processor["special_tokens"][single[place]["SpecialToken"]["id"]]["ids"] for place in (0, 2))
    return {"first": int(first[0]), "last": int(last[0])}
