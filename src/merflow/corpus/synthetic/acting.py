"""The face of a person over time: expressions, speaking mouth and motion of the head.

T frames.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from scipy.ndimage import uniform_filter1d

from merflow.corpus.synthetic.expression import Modality, Showing
from merflow.corpus.synthetic.face import LISTENING, Look, look
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.voice import Syllable

_MOUTH_PX = 4.5  # half the height of a normally open mouth


class Acted(Protocol):
    """An utterance that a face goes with."""

    @property
    def utterance_id(self) -> str:
        """Id of the utterance, which seeds its expression."""
        ...

    @property
    def start_s(self) -> float:
        """Start in the video."""
        ...

    @property
    def end_s(self) -> float:
        """End in the video."""
        ...

    @property
    def shows(self) -> Mapping[Modality, Showing]:
        """Emotions that voice, words and face show."""
        ...


def looks_of(
    turns: Iterable[Acted], spoken: Mapping[str, Sequence[Syllable]], *, times_s: np.ndarray, seed: int
) -> np.ndarray:
    """Return the fields of :class:`Look` by frame, ``(T, 6)``; the mouth opens with the syllables, in pixels.

    Args:
        turns: Turns of this person.
        spoken: Syllables of each turn, in seconds from its start.
        times_s: Times of the frames, ``(T,)``.
        seed: Seed of the release.
    """
    looks = np.tile(np.array(LISTENING), (len(times_s), 1))
    opening = np.zeros(len(times_s))
    for turn in turns:
        shown = look(turn.shows["face"], generator(seed, "look", turn.utterance_id))
        looks[(times_s >= turn.start_s) & (times_s < turn.end_s)] = shown
        for syllable in spoken[turn.utterance_id]:
            first, last = np.searchsorted(times_s, [turn.start_s + syllable.start_s, turn.start_s + syllable.end_s])
            opening[first:last] = _MOUTH_PX * shown.mouth_open
    looks[:, Look._fields.index("mouth_open")] = opening
    return np.asarray(uniform_filter1d(looks, size=3, axis=0))


def head_path(looks: np.ndarray, *, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Return the offset of the head, ``(T, 2)`` pixels: a slow drift, and faster motion according to the look.

    Args:
        looks: Looks by frame, from :func:`looks_of`.
        rate: Frames per second.
        rng: Generator of the motion.
    """
    slow = uniform_filter1d(rng.standard_normal((len(looks), 2)), size=max(3, int(4 * rate)), axis=0)
    quick = uniform_filter1d(rng.standard_normal((len(looks), 2)), size=max(2, int(0.25 * rate)), axis=0)
    motion = looks[:, Look._fields.index("motion")][:, None]
    path: np.ndarray = np.clip(
        6.0 * np.sqrt(4 * rate) * 0.3 * slow + 3.0 * motion * np.sqrt(0.25 * rate) * quick, -14, 14
    )
    return path
