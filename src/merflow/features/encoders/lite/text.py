"""Word vectors without a neural network: fixed random signs of words, of pairs of words, and of the parts of words.

Random signs of enough width are nearly orthogonal, so the mean over a text's words keeps what a bag of words keeps: how
often each word and each pair occurs. Words that share letters share part of their vector, so unseen inflections lie
near their stem. The signs come from a hash of the letters, so they are the same in every process and on every machine.

Shapes: T words, L layers, D width.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pydantic import Field

from merflow.contracts.streams import StreamShape
from merflow.contracts.strict import Strict
from merflow.features.encoders.interface import Prepared

# Words, with apostrophes inside; question marks, exclamation marks and ellipses count as words.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[?!]|\.{2,}|\u2026")
_PART_SIZES = (3, 4, 5)
_DIGEST_BYTES = 64  # of blake2b
VIEWS = ("word", "pair", "parts")


class LiteTextSettings(Strict):
    """Settings of ``lite-text``.

    Attributes:
        width: D, a multiple of 8.
    """

    width: int = Field(ge=16, le=4096, multiple_of=8)


class LiteTextLayersSettings(Strict):
    """Settings of ``lite-text-layers``.

    Attributes:
        width: D, a multiple of 8.
        layers: L, how many of :data:`VIEWS` there are, from the first on.
    """

    width: int = Field(ge=16, le=4096, multiple_of=8)
    layers: int = Field(ge=1, le=len(VIEWS))


class LiteText:
    """Text -> ``(T, D)``, one step per word, the sum of its views; T = 0 if the text has no word."""

    def __init__(self, settings: LiteTextSettings) -> None:
        self._width = settings.width
        self.shape = StreamShape(layers=None, width=settings.width)

    def prepare(self, source: str) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        together = word_vectors(source, width=self._width).sum(axis=1) / np.float32(len(VIEWS) ** 0.5)
        return _finished(together)

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per text."""
        return [prepared.values for prepared in batch]


class LiteTextLayers:
    """Text -> ``(T, L, D)``: each word, the word with the one before it, and the parts of the word."""

    def __init__(self, settings: LiteTextLayersSettings) -> None:
        self._settings = settings
        self.shape = StreamShape(layers=settings.layers, width=settings.width)

    def prepare(self, source: str) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        return _finished(word_vectors(source, width=self._settings.width)[:, : self._settings.layers])

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per text."""
        return [prepared.values for prepared in batch]


def words(text: str) -> list[str]:
    """Return the text's words in lower case, with the marks that count as words."""
    return _WORD.findall(text.lower())


def word_vectors(text: str, *, width: int) -> np.ndarray:
    """Return all of :data:`VIEWS` of each word, ``(T, 3, D)`` float32, each about 1 long."""
    in_text = words(text)
    if not in_text:
        return np.zeros((0, len(VIEWS), width), dtype=np.float32)
    pairs = zip(["", *in_text[:-1]], in_text, strict=True)
    of_words = _signs([f"word {word}" for word in in_text], width) / width**0.5
    of_pairs = _signs([f"pair {first} {second}" for first, second in pairs], width) / width**0.5
    return np.stack([of_words, of_pairs, np.stack([_parts(word, width) for word in in_text])], axis=1, dtype=np.float32)


def _finished(array: np.ndarray) -> Prepared:
    return Prepared(array, cost=max(1, len(array)))


@lru_cache(maxsize=16_384)
def _parts(word: str, width: int) -> np.ndarray:
    """Return the sum of the signs of a word's runs of letters, 1 long."""
    marked = f"<{word}>"  # the shortest word has one part: itself between its marks
    parts = [marked[i : i + size] for size in _PART_SIZES for i in range(len(marked) - size + 1)]
    together = _signs([f"part {part}" for part in parts], width).sum(axis=0)
    return np.asarray(together / max(float(np.linalg.norm(together)), 1e-6), dtype=np.float32)


def _signs(keys: Sequence[str], width: int) -> np.ndarray:
    """Return -1 and 1 as fixed by each key, ``(keys, D)`` float32."""
    blocks = range(-(-width // 8 // _DIGEST_BYTES))
    hashed = b"".join(hashlib.blake2b(f"{block} {key}".encode()).digest() for key in keys for block in blocks)
    bits = np.unpackbits(np.frombuffer(hashed, dtype=np.uint8).reshape(len(keys), -1), axis=1, count=width)
    return bits.astype(np.float32) * 2 - 1
