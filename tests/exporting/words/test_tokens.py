"""The files next to exported models produce the same tokens as transformers, from any text."""

import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.exporting.words_input import WordsInput
from merflow.features.encoders.huggingface.processors import TextPreparer

TEXTS = (
    "Well, I did not think that you would really say that to us!",
    "I'm sorry; it's you've they'll he'd WE'RE ok? 'tis rock'n'roll",
    "  spaces   and\ttabs \n lines\u00a0\u2003 ",
    "naïve café Ünïcode ÀÉ ß İstanbul e\u0301 ﬁne",
    "你好 world 日本語 x²½ Ⅷ 123abc 4.5% _under_score_",
    "emoji 😀👍🏽 \u200bzero\u00adwidth\ufffd \u201cquotes\u201d \u2014 \u2026 ...",
    "a" * 120 + " " + "b" * 99,
    "word " * 700,  # more than the encoder reads
)
LETTERS = "abc XYZ ,.'!?-_\u2019\u2026\t\n 0123é²½你Ω\u0301\u00a0\u2003😀ß"


def texts() -> list[str]:
    """Return texts that people write, and texts of random letters and of random characters of European alphabets."""
    draw = random.Random(0)
    european = [chr(code) for code in range(32, 0x530) if unicodedata.category(chr(code)) != "Cn"]
    drawn = [
        "".join(draw.choices(letters, k=draw.randint(1, 40))) for letters in (LETTERS, european) for _ in range(300)
    ]
    return [*TEXTS, *drawn]


@pytest.mark.parametrize(
    ("encoder", "folder", "kind"),
    [("bert", "bert-base-uncased", "word-pieces"), ("roberta", "roberta-base", "byte-pairs")],
)
def test_tokens_are_those_of_transformers(encoders: Path, encoder: str, folder: str, kind: str) -> None:
    spec = EncoderSpec(name=encoder, settings={"model": str(encoders / folder), "layers": "last"})
    words, preparer = WordsInput(spec, Stream("text")), TextPreparer(encoders / folder)
    assert words.kind == kind
    assert len(texts()) == 608
    for text in texts():
        expected = preparer.prepare(text.strip()).values.tolist()
        found = words.array(text)
        assert found.dtype == np.int64
        assert found.tolist() == (expected or [words.facts["padding"]] * 2), repr(text)


@pytest.mark.parametrize(("encoder", "folder"), [("bert", "bert-base-uncased"), ("roberta", "roberta-base")])
@pytest.mark.parametrize("text", ["", " \n"])
def test_a_text_without_words_is_padding(encoders: Path, encoder: str, folder: str, text: str) -> None:
    spec = EncoderSpec(name=encoder, settings={"model": str(encoders / folder), "layers": "last"})
    words = WordsInput(spec, Stream("text"))
    assert words.array(text).tolist() == [words.facts["padding"]] * 2
