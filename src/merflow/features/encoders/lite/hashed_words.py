"""Words as vectors that a hash of their letters fixes; see :mod:`merflow.features.encoders.lite.text`.

This file needs only NumPy: it is also the ``words.py`` next to an exported model.

Shapes: T words, D width.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

VIEWS = ("word", "pair", "parts")
# Words, with apostrophes inside; question marks, exclamation marks and ellipses count as words.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[?!]|\.{2,}|\u2026")
_PART_SIZES = (3, 4, 5)
_DIGEST_BYTES = 64  # of blake2b
_PADDING = 2  # rows of zeros behind the words, for an exported model never reads fewer


def words_of(text: str, facts: Mapping[str, Any]) -> np.ndarray:
    """Return the input ``words`` of an exported model, ``(T + 2, 3, D)`` float32, given its facts about words."""
    vectors = word_vectors(text, width=facts["width"])
    return np.concatenate([vectors, np.zeros((_PADDING, *vectors.shape[1:]), dtype=np.float32)])


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
