"""Word vectors without a neural network: fixed random signs of words, of bigrams, and of the parts of words.

Wide vectors of random signs are nearly orthogonal, so the mean over a text's words keeps the information of a bag of
words: the frequency of each word and bigram. Words that share letters share part of their vector, so unseen inflections
are near their stem. The signs come from a hash of the letters, so they are the same in every process and on every
machine.

Shapes: T words, L layers, D width.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from merflow.contracts.streams import StreamShape
from merflow.contracts.strict import Strict
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.lite.hashed_words import VIEWS, word_vectors


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
        layers: L, the number of :data:`VIEWS`, starting with the first.
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


def _finished(array: np.ndarray) -> Prepared:
    return Prepared(array, cost=max(1, len(array)))
