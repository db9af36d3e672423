"""Words as the tokens of BERT: words are split at spaces and marks, and then into the longest known pieces.

This file needs only NumPy: it is the ``words.py`` next to an exported model.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

_LONGEST_WORD = 100  # letters
_ASCII_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_IDEOGRAPHS = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)),
    *((0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)


def words_of(text: str, facts: Mapping[str, Any]) -> np.ndarray:
    """Return the input ``words`` of an exported model, token ids ``(I,)`` int64, given its facts about words.

    A text without words is two tokens of padding.
    """
    ids = [number for word in _words(text, facts) for number in _pieces(word, facts)][: facts["limit"] - 2]
    padding = facts["padding"]
    return np.array([facts["first"], *ids, facts["last"]] if ids else [padding, padding], dtype=np.int64)


def _words(text: str, facts: Mapping[str, Any]) -> list[str]:
    """Return words and single marks without control characters; in lower case without accents if trained that way."""
    text = "".join(_cleaned(character) for character in text)
    if facts["strips_accents"]:
        text = "".join(each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) != "Mn")
    if facts["lowercase"]:
        text = "".join(each.lower() for each in text)
    return "".join(f" {each} " if _is_mark(each) else each for each in text).split()


def _cleaned(character: str) -> str:
    if character in "\t\n\r" or unicodedata.category(character) == "Zs":
        return " "
    if character in "\0\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co"):
        return ""
    stands_alone = any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)
    return f" {character} " if stands_alone else character


def _is_mark(character: str) -> bool:
    return character in _ASCII_MARKS or unicodedata.category(character).startswith("P")


def _pieces(word: str, facts: Mapping[str, Any]) -> list[int]:
    """Return the ids of a word's longest pieces from left to right, or the id of an unknown word."""
    vocabulary, found, start = facts["vocabulary"], [], 0
    while start < len(word) <= _LONGEST_WORD:
        pieces = {end: ("##" if start else "") + word[start:end] for end in range(len(word), start, -1)}
        end = next((end for end, piece in pieces.items() if piece in vocabulary), None)
        if end is None:
            break
        found.append(vocabulary[pieces[end]])
        start = end
    return found if start == len(word) else [facts["unknown"]]
