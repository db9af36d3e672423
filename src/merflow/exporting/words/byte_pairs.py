"""Words as the tokens of RoBERTa: the bytes of words, joined pair by pair in the order in which the pairs were learned.

This file needs only NumPy: it is the ``words.py`` next to an exported model.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

_SHORT_FORM = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
# One branch per kind of character: letters, numbers, marks, spaces, other white space. A word includes the space
# before it.
_WORD = re.compile(r"s?l+|s?n+|s?m+|[sw]+(?![lnm])|[sw]+")


def words_of(text: str, facts: Mapping[str, Any]) -> np.ndarray:
    """Return the input ``words`` of an exported model, token ids ``(I,)`` int64, given its facts about words.

    A text without words is two tokens of padding.
    """
    text = text.strip()
    if facts["leading_space"] and text:
        text = f" {text}"
    ranks = {(first, second): rank for rank, (first, second) in enumerate(facts["merges"])}
    parts = [part for word in _words(text) for part in _joined(_spelled(word), ranks)]
    ids = [facts["vocabulary"][part] for part in parts if part in facts["vocabulary"]][: facts["limit"] - 2]
    padding = facts["padding"]
    return np.array([facts["first"], *ids, facts["last"]] if ids else [padding, padding], dtype=np.int64)


def _words(text: str) -> Iterator[str]:
    kinds = "".join(map(_kind, text))
    start = 0
    while start < len(text):
        found = _SHORT_FORM.match(text, start) or _WORD.match(kinds, start)
        assert found is not None  # every kind is in the expression
        yield text[start : found.end()]
        start = found.end()


def _kind(character: str) -> str:
    if character == " ":
        return "s"
    if character.isspace() and character not in "\x1c\x1d\x1e\x1f":
        return "w"
    return {"L": "l", "N": "n"}.get(unicodedata.category(character)[0], "m")


def _spelled(word: str) -> list[str]:
    """Return a printable character for each byte: itself, or one from 256 on for those that are not printable."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte if byte in printable else 256 + others.index(byte)) for byte in word.encode()]


def _joined(parts: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Join the pair that was learned first, wherever it occurs, until no known pair is left."""
    while True:
        pairs = set(pairwise(parts)) & ranks.keys()
        if not pairs:
            return parts
        best, joined, index = min(pairs, key=ranks.__getitem__), [], 0
        while index < len(parts):
            together = tuple(parts[index : index + 2]) == best
            joined.append("".join(best) if together else parts[index])
            index += 2 if together else 1
        parts = joined
