"""Expression of emotions: the actors, and the emotion that voice, words and face of a turn show.

The label of a turn is the impression of most raters. Voice, words and face follow it independently: each may show
another emotion or none, more or less strongly. So each modality alone predicts the label imperfectly, and the three
together predict it better.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from merflow.corpus.synthetic.seeds import generator

Modality = Literal["voice", "words", "face"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)

# Emotions close enough to a label to be shown instead.
_NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "ang": ("fru", "fru", "exc"),
    "bor": ("neu", "sad"),
    "dis": ("ang", "fru"),
    "exc": ("hap", "sur", "ang"),
    "fea": ("sad", "sur"),
    "fru": ("ang", "sad", "neu"),
    "hap": ("exc", "neu"),
    "neu": ("sad", "fru", "hap"),
    "oth": ("neu", "sur"),
    "sad": ("neu", "fru", "fea"),
    "sur": ("exc", "fea"),
}
_ANY = ("ang", "exc", "fru", "hap", "neu", "sad", "sur")
# Emotions that are blended in turns without a majority.
_SHOWN_BY_UNDECIDED = ("ang", "exc", "fru", "fru", "hap", "neu", "neu", "sad")

# Shares of turns in which a modality shows a neighbouring emotion, any emotion, or hardly any.
_ASTRAY: dict[Modality, tuple[float, float, float]] = {
    "voice": (0.05, 0.04, 0.04),
    "words": (0.04, 0.04, 0.05),
    "face": (0.07, 0.06, 0.08),
}


@dataclass(frozen=True)
class Showing:
    """The emotion that one modality of a turn shows: its code (never ``xxx``) and its strength, usually 1."""

    code: str
    strength: float


@dataclass(frozen=True)
class Actor:
    """One of the ten speakers, each with a voice, a vocabulary and a face.

    Attributes:
        strength: Strength with which each modality shows emotion, about 1.
        pitch_hz: Median pitch of the neutral voice.
        pitch_range_st: Width of the neutral intonation in semitones.
        formant_scale: Formants relative to those of an average man.
        tilt_db: Spectral slope relative to the average voice, in dB per octave.
        level_dbfs: RMS of neutral speech.
        words_per_s: Neutral speaking rate.
        breath: Share of noise in the voice.
        taste: Seed of the actor's preferences among phrases.
    """

    letter: str
    strength: dict[Modality, float]
    pitch_hz: float
    pitch_range_st: float
    formant_scale: float
    tilt_db: float
    level_dbfs: float
    words_per_s: float
    breath: float
    taste: int


def actor(seed: int, session: int, letter: str) -> Actor:
    """Return the speaker of a session with this letter."""
    rng = generator(seed, "actor", f"{session}{letter}")
    woman = letter == "F"
    strengths = rng.uniform(0.75, 1.25, 3)
    return Actor(
        letter=letter,
        strength={"voice": float(strengths[0]), "words": float(strengths[1]), "face": float(strengths[2])},
        pitch_hz=float((205.0 if woman else 118.0) * 2 ** (rng.normal(0, 1.3) / 12)),
        pitch_range_st=float(rng.uniform(2.2, 3.4)),
        formant_scale=float((1.16 if woman else 1.0) * rng.uniform(0.95, 1.05)),
        tilt_db=float(rng.normal(0, 0.7)),
        level_dbfs=float(rng.normal(-27.0, 1.5)),
        words_per_s=float(rng.uniform(2.1, 2.7)),
        breath=float(rng.uniform(0.03, 0.10)),
        taste=int(rng.integers(2**31)),
    )


def showing(modality: Modality, code: str, speaker: Actor, rng: np.random.Generator) -> Showing:
    """Draw the emotion that a modality shows in a turn with this label."""
    if code == "xxx":
        return Showing(str(rng.choice(_SHOWN_BY_UNDECIDED)), float(rng.uniform(0.3, 1.0)) * speaker.strength[modality])
    near, anything, flat = _ASTRAY[modality]
    strength = float(np.clip(rng.normal(1.0, 0.25), 0.3, 1.7)) * speaker.strength[modality]
    draw = rng.uniform()
    if draw < near:
        return Showing(str(rng.choice(_NEIGHBOURS[code])), strength)
    if draw < near + anything:
        return Showing(str(rng.choice(_ANY)), strength)
    if draw < near + anything + flat:
        return Showing(code, 0.25 * strength)
    return Showing(code, strength)
