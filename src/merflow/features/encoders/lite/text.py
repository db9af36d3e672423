"""Word vectors without a neural network: each word is the sum of fixed random signs of itself and of its parts.

Words that share letters share part of their vector, so unseen inflections lie near their stem. The signs come from a
hash of the letters, so they are the same in every process and on every machine.

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
_GRAM_SIZES = (3, 4, 5)


class LiteTextSettings(Strict):
    """Settings of ``lite-text``.

    Attributes:
        width: D, a multiple of 8; a hash yields at most 512 signs.
    """

    width: int = Field(ge=16, le=512, multiple_of=8)


class LiteTextLayersSettings(Strict):
    """Settings of ``lite-text-layers``.

    Attributes:
        width: D, a multiple of 8; a hash yields at most 512 signs.
        layers: L, the number of views.
        reach: Words by which each view reaches further than the last, on both sides.
    """

    width: int = Field(ge=16, le=512, multiple_of=8)
    layers: int = Field(ge=1)
    reach: int = Field(ge=1)


class LiteText:
    """Text -> ``(T, D)``, one step per word; T = 0 if the text has no word."""

    def __init__(self, settings: LiteTextSettings) -> None:
        self._width = settings.width
        self.shape = StreamShape(layers=None, width=settings.width)

    def prepare(self, source: str) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        return _finished(word_vectors(source, width=self._width))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per text."""
        return [prepared.values for prepared in batch]


class LiteTextLayers:
    """Text -> ``(T, L, D)``: each word alone, then averaged with more and more of its neighbours."""

    def __init__(self, settings: LiteTextLayersSettings) -> None:
        self._settings = settings
        self.shape = StreamShape(layers=settings.layers, width=settings.width)

    def prepare(self, source: str) -> Prepared:
        """Compute the features; :meth:`encode` only passes them on."""
        vectors = word_vectors(source, width=self._settings.width)
        reaches = [layer * self._settings.reach for layer in range(self._settings.layers)]
        return _finished(np.stack([_around(vectors, reach) for reach in reaches], axis=1))

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return the prepared arrays, one float32 array per text."""
        return [prepared.values for prepared in batch]


def words(text: str) -> list[str]:
    """Return the text's words in lower case, with the marks that count as words."""
    return _WORD.findall(text.lower())


def word_vectors(text: str, *, width: int) -> np.ndarray:
    """Return one row of length 1 per word, ``(T, D)`` float32."""
    in_text = words(text)
    if not in_text:
        return np.zeros((0, width), dtype=np.float32)
    return np.stack([_word_vector(word, width) for word in in_text])


def _finished(array: np.ndarray) -> Prepared:
    return Prepared(array, cost=max(1, len(array)))


@lru_cache(maxsize=65_536)
def _word_vector(word: str, width: int) -> np.ndarray:
    marked = f"<{word}>"
    grams = [marked[i : i + size] for size in _GRAM_SIZES for i in range(len(marked) - size + 1)]
    # The word and its parts weigh the same. The shortest word has one part: itself between its marks.
    parts = np.sum([_signs(gram, width) for gram in grams], axis=0) / np.sqrt(len(grams))
    vector = _signs(f"word {word}", width) + parts
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), dtype=np.float32)


def _signs(key: str, width: int) -> np.ndarray:
    """Return -1 and 1 as fixed by the key, ``(D,)``."""
    hashed = hashlib.blake2b(key.encode(), digest_size=width // 8).digest()
    bits = np.unpackbits(np.frombuffer(hashed, dtype=np.uint8))
    signs: np.ndarray = bits.astype(np.float64) * 2 - 1
    return signs


def _around(vectors: np.ndarray, reach: int) -> np.ndarray:
    """Average each step with up to ``reach`` steps on either side, ``(T, D)``."""
    steps = len(vectors)
    low = np.maximum(np.arange(steps) - reach, 0)
    high = np.minimum(np.arange(steps) + reach + 1, steps)
    sums = np.vstack([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])
    mean = (sums[high] - sums[low]) / np.maximum(high - low, 1)[:, None]
    return np.asarray(mean, dtype=np.float32)
