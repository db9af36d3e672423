"""Wrong words, and no words.

Shapes: U utterances.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def of_other_emotions(words: Sequence[str], emotions: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Give every utterance the words of another one with another emotion; each utterance's words are used once.

    If more than half of the utterances have the same emotion, some of them get words of their own emotion.
    """
    by_emotion = sorted(rng.permutation(len(words)).tolist(), key=lambda index: emotions[index])
    # Sorted by emotion, so that a shift by the size of the largest group moves every utterance out of its group.
    shift = max(Counter(emotions).values())
    if shift == len(words):
        shift = 1
    givers = np.roll(by_emotion, -shift)
    given = dict(zip(by_emotion, givers.tolist(), strict=True))
    return [words[given[index]] for index in range(len(words))]


def none_at_all(words: Sequence[str], _emotions: Sequence[str], _rng: np.random.Generator) -> list[str]:
    """Return an empty string for every utterance."""
    return [""] * len(words)
