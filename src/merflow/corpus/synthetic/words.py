"""Words of the actors: phrases that lean towards an emotion, mixed with neutral phrases."""

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from merflow.corpus.synthetic.expression import Actor, Showing
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.transcript import without_tags

# Probability that a phrase of an utterance belongs to the shown emotion.
_LEANING_SHARE = 0.78
_TASTE = 0.9  # standard deviation of an actor's preferences among phrases, natural logarithm
_PUNCTUATION = '.,!?-"'
# Lengths of the lines that a script part has for each emotion.
_POOL_WORDS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 13, 16, 20, 25, 33)


@cache
def phrase_book() -> dict[str, Any]:
    """Return slots, phrases, leanings and comments of raters."""
    book: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("lines.yaml").read_text(encoding="utf-8"))
    return book


def improvised(showing: Showing, speaker: Actor | None, *, words: int, rng: np.random.Generator) -> str:
    """Return an utterance of about this many words; without a speaker, phrases are drawn without preferences."""
    taste = speaker.taste if speaker else None
    pieces: list[str] = []
    missing = max(1, words)
    while missing > 0:
        own = rng.uniform() < np.clip(_LEANING_SHARE * showing.strength, 0.0, 0.92)
        pool = str(rng.choice([*_leaning(showing.code)], p=[*_leaning(showing.code).values()])) if own else "any"
        piece = _phrase(pool, missing, taste, rng)
        pieces.append(piece)
        missing -= len(piece.split())
        if missing < 3 and rng.uniform() < 0.7:
            break
    return _punctuated(pieces, rng)


def scripted(showing: Showing, script: str, *, words: int, seed: int) -> str:
    """Return the script's line for this emotion of the nearest length, the same in every session."""
    pool = _script_lines(seed, script.rstrip("ab"), showing.code)
    return min(pool, key=lambda line: abs(count_words(line) - words))


@cache
def _script_lines(seed: int, script: str, code: str) -> tuple[str, ...]:
    rng = generator(seed, "script", script, code)
    return tuple(improvised(Showing(code, 1.0), None, words=words, rng=rng) for words in _POOL_WORDS)


def tokens(text: str) -> list[str]:
    """Return words with the punctuation that follows them, and dashes as tokens; tags are dropped."""
    return without_tags(text).replace("--", " -- ").split()


def spoken_words(text: str) -> list[str]:
    """Return the words of a transcript without tags and punctuation."""
    return [word for token in tokens(text) if (word := token.strip(_PUNCTUATION))]


def count_words(text: str) -> int:
    """Return the number of spoken words."""
    return len(spoken_words(text))


def embellished(text: str, code: str, rng: np.random.Generator) -> str:
    """Add the marks of a manual transcript: double spaces, a tag, and quotes now and then."""
    if rng.uniform() < 0.3:
        spaces = [match.start() for match in re.finditer(r"(?<=[.?!,]) ", text)] or [
            match.start() for match in re.finditer(" ", text)
        ]
        if spaces:
            at = int(rng.choice(spaces))
            text = f"{text[:at]} {text[at:]}"
    if rng.uniform() < 0.002:
        text = f'"{text}"'
    draw = rng.uniform()
    if code in ("exc", "hap") and draw < 0.04:
        return f"[LAUGHTER]  {text}"
    if draw < 0.006:
        return f"{text} [BREATHING]" if code in ("sad", "fea") else f"{text} [GARBAGE]"
    return text


@cache
def _leaning(code: str) -> dict[str, float]:
    return dict(phrase_book()["leaning"][code])


@cache
def _weights(taste: int | None, kind: str, pool: str) -> np.ndarray:
    count = len(phrase_book()[kind][pool])
    if taste is None:
        return np.full(count, 1.0 / count)
    weights = np.exp(_TASTE * generator(taste, kind, pool).standard_normal(count))
    return np.asarray(weights / weights.sum())


def _phrase(pool: str, missing: int, taste: int | None, rng: np.random.Generator) -> str:
    kind = "short" if missing <= 2 else "phrases"
    choices = phrase_book()[kind].get(pool)
    if choices is None:
        pool, choices = "any", phrase_book()[kind]["any"]
    drawn = rng.choice(len(choices), size=3, p=_weights(taste, kind, pool))
    picked = min((choices[i] for i in drawn), key=lambda text: max(0, len(text.split()) - missing))
    return re.sub(r"\{(\w+)\}", partial(_filled, rng=rng), picked)


def _filled(match: re.Match[str], rng: np.random.Generator) -> str:
    return str(rng.choice(phrase_book()["slots"][match[1]]))


def _punctuated(pieces: list[str], rng: np.random.Generator) -> str:
    text = ""
    for index, piece in enumerate(pieces):
        starts = not text or text[-1] in ".?!"
        text += (" " if text else "") + (piece[0].upper() + piece[1:] if starts else piece)
        last = index == len(pieces) - 1
        question = piece.split()[0].lower() in ("what", "where", "why", "how", "did", "do", "is", "are", "can", "who")
        if question or last:
            text += "?" if question else str(rng.choice([".", ".", ".", "!", "...", "--"]))
        else:
            text += str(rng.choice([",", ",", ".", ".", "...", " --", "", "!"]))
    return text
