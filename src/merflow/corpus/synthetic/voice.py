"""Speech-like audio: a glottal source with intonation, syllables of consonants and vowels, formants, and noise.

Nothing is intelligible. A listener or a model can hear the speaker and the emotion: pitch and its range, loudness,
pace, spectral tilt and breathiness. F frames, B frequency bins, S samples.
"""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, rfft
from scipy.ndimage import uniform_filter1d

from merflow.corpus.synthetic.expression import Actor, Showing
from merflow.corpus.synthetic.words import spoken_words, tokens

RATE_HZ = 16_000
"""Sampling rate of every recording."""

_WINDOW = 512
_HOP = 128
_BINS_HZ = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ).astype(np.float32)
_TABLE = 1024  # samples of one glottal period
_TABLES_PER_OCTAVE = 5
_LEAST_HZ, _MOST_HZ = 60.0, 520.0  # pitch
# Pause after a word, in syllables.
_PAUSES = {",": 0.5, ".": 0.9, "?": 0.9, "!": 0.9}


class Manner(NamedTuple):
    """A manner of speaking, relative to the speaker's neutral one.

    Attributes:
        pitch_st: Shift of the median pitch in semitones.
        spread: Factor on the pitch range.
        level_db: Change of loudness.
        pace: Factor on the speaking rate.
        tilt_db: Change of the spectral slope in dB per octave; more is brighter.
        breath: Additional share of noise.
    """

    pitch_st: float
    spread: float
    level_db: float
    pace: float
    tilt_db: float
    breath: float


_MANNERS: dict[str, Manner] = {
    "ang": Manner(2.0, 1.25, 7.5, 1.08, 3.4, 0.00),
    "bor": Manner(-1.4, 0.45, -2.0, 0.80, -0.8, 0.02),
    "dis": Manner(-0.6, 0.90, 0.8, 0.88, 0.6, 0.03),
    "exc": Manner(5.5, 2.00, 3.6, 1.16, 0.9, 0.01),
    "fea": Manner(4.0, 0.75, -1.0, 1.18, -0.6, 0.10),
    "fru": Manner(1.0, 1.10, 2.6, 0.98, 1.3, 0.00),
    "hap": Manner(4.2, 1.80, 1.6, 1.05, 0.2, 0.03),
    "neu": Manner(0.0, 1.00, 0.0, 1.00, 0.0, 0.00),
    "oth": Manner(0.5, 1.10, 0.5, 1.00, 0.2, 0.00),
    "sad": Manner(-1.8, 0.50, -5.0, 0.78, -2.8, 0.14),
    "sur": Manner(5.0, 2.10, 1.5, 1.05, 0.6, 0.00),
}
# Standard deviations of an utterance from its manner, in the same units.
_SCATTER = Manner(1.1, 0.20, 2.0, 0.08, 0.8, 0.03)

# First three formants of a man's vowels in Hz; the fourth is at 3500.
_VOWELS = np.array(
    [[310, 2020, 2960], [430, 1900, 2500], [560, 1780, 2450], [690, 1660, 2400],
     [730, 1090, 2440], [570, 840, 2410], [440, 1020, 2240], [300, 870, 2240], [520, 1400, 2400]],
    dtype=np.float32,
)  # fmt: skip
_BANDWIDTHS = np.array([80, 100, 140, 200], dtype=np.float32)
_GAINS = np.array([1.0, 0.55, 0.30, 0.18], dtype=np.float32)


@dataclass(frozen=True)
class Syllable:
    """One syllable in time; its vowel starts at ``vowel_s``, and pauses come before a syllable, not in it."""

    word: int
    start_s: float
    vowel_s: float
    end_s: float


def pace(showing: Showing) -> float:
    """Return the factor on the speaking rate in this manner."""
    return 1.0 + (_MANNERS[showing.code].pace - 1.0) * showing.strength


def syllables(text: str, *, duration_s: float, rng: np.random.Generator) -> list[Syllable]:
    """Distribute the syllables of a text over a recording, with pauses at commas and full stops.

    A text of tags alone has a few syllables without a word (-1): laughter and breathing.
    """
    weights: list[tuple[int, float, float]] = []  # word, pause before, length
    pause, word = 0.0, -1
    for token in tokens(text):
        vowels = re.findall(r"[aeiouy]+", token.lower().rstrip('e.,!?"'))
        if not spoken_words(token):
            pause += 1.2
            continue
        word += 1
        for _ in range(max(1, len(vowels))):
            weights.append((word, pause, float(rng.lognormal(0.0, 0.28))))
            pause = 0.0
        pause += 1.6 if token.endswith("...") else _PAUSES.get(token[-1], 0.0)
    weights = weights or [(-1, 0.3, 0.8) for _ in range(max(2, round(3 * duration_s)))]
    edge_s = min(0.12, 0.08 * duration_s)
    unit_s = (duration_s - 2 * edge_s) / sum(before + length for _, before, length in weights)
    timed, now_s = [], edge_s
    for index, before, length in weights:
        start_s = now_s + before * unit_s
        now_s = start_s + length * unit_s
        timed.append(Syllable(index, start_s, start_s + float(rng.uniform(0.2, 0.42)) * length * unit_s, now_s))
    return timed


def speak(spoken: list[Syllable], *, samples: int, speaker: Actor, showing: Showing, seed: int) -> np.ndarray:
    """Synthesise the syllables in a speaker's voice: ``(samples,)`` float32, full scale 1."""
    rng = np.random.default_rng(seed)
    manner = _manner(showing, rng)
    frames = 1 + (samples + _WINDOW) // _HOP
    centres_s = (np.arange(frames, dtype=np.float32) * _HOP) / RATE_HZ
    syllable = np.clip(np.searchsorted([s.start_s for s in spoken], centres_s, side="right") - 1, 0, len(spoken) - 1)
    vowel, hiss = _gates(spoken, syllable, centres_s, rng)
    source = _source(spoken, centres_s, speaker, manner, rng)
    noise = rng.standard_normal(len(source), dtype=np.float32)
    tract = _tract(syllable, len(spoken), speaker, rng)
    breath = max(0.0, speaker.breath + manner.breath)
    if spoken[0].word < 0:
        vowel, breath = 0.4 * vowel, breath + 0.6
    # In each frame: voice and breath through the vocal tract, plus the hiss of the consonants.
    voiced = _spectra(source) * (tract * vowel[:, None])
    hissing = tract * (0.35 * breath * vowel[:, None]) + _HISS * (0.16 * hiss[:, None])
    wave = _overlap_add(voiced + _spectra(noise) * hissing)[_WINDOW // 2 :][:samples]
    level = 10 ** ((speaker.level_dbfs + manner.level_db) / 20)
    rms = float(np.sqrt(np.mean(np.square(wave)))) + 1e-9
    return np.asarray(np.tanh(wave * (level / rms)) * 0.98, dtype=np.float32)


def _manner(showing: Showing, rng: np.random.Generator) -> Manner:
    target = _MANNERS[showing.code]
    rest = _MANNERS["neu"]
    return Manner(
        *(
            base + (value - base) * showing.strength + spread * float(rng.standard_normal())
            for base, value, spread in zip(rest, target, _SCATTER, strict=True)
        )
    )


def _gates(
    spoken: list[Syllable], syllable: np.ndarray, centres_s: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the gains of the voice and of the hiss by frame, ``(F,)`` each, 0 and up."""
    count = len(spoken)
    starts, vowels, ends = (np.array(times)[syllable] for times in zip(*_times(spoken), strict=True))
    inside = (centres_s >= starts) & (centres_s < ends)
    in_vowel = inside & (centres_s >= vowels)
    through = np.clip((centres_s - vowels) / np.maximum(ends - vowels, 1e-3), 0, 1)
    swell = 0.45 + 0.55 * np.sin(np.pi * through**0.7)
    stress = rng.lognormal(0.0, 0.3, count)[syllable]
    murmur = rng.choice([0.0, 0.3, 0.5], size=count)[syllable]  # unvoiced, weakly and strongly voiced consonants
    loud = rng.choice([0.15, 0.5, 1.0], size=count)[syllable]
    vowel = np.where(in_vowel, stress * swell, np.where(inside, murmur, 0.0))
    hiss = np.where(inside & ~in_vowel, loud, 0.0)
    smooth = uniform_filter1d(np.stack([vowel, hiss]).astype(np.float32), size=3, axis=1)
    return smooth[0], smooth[1]


def _times(spoken: list[Syllable]) -> list[tuple[float, float, float]]:
    return [(syllable.start_s, syllable.vowel_s, syllable.end_s) for syllable in spoken]


def _source(
    spoken: list[Syllable], centres_s: np.ndarray, speaker: Actor, manner: Manner, rng: np.random.Generator
) -> np.ndarray:
    """Return glottal pulses along the intonation, ``((F - 1) * hop + window,)``, from tables of one period."""
    pitch_hz = _pitch(spoken, centres_s, speaker, manner, rng)
    length = (len(pitch_hz) - 1) * _HOP + _WINDOW
    positions = np.arange(length, dtype=np.float32) / _HOP - _WINDOW / (2 * _HOP)
    hz = np.interp(positions, np.arange(len(pitch_hz)), pitch_hz)
    phase = np.cumsum(hz * (_TABLE / RATE_HZ)).astype(np.int64) % _TABLE
    table = np.ceil(np.log2(hz / _LEAST_HZ) * _TABLES_PER_OCTAVE).astype(np.int64)
    tables = _periods(round(2 * (speaker.tilt_db + manner.tilt_db)) / 2)
    return np.asarray(tables[table, phase])


def _pitch(
    spoken: list[Syllable], centres_s: np.ndarray, speaker: Actor, manner: Manner, rng: np.random.Generator
) -> np.ndarray:
    """Return the pitch, ``(F,)`` Hz: an accent per syllable, a falling line, and a rise or fall at the end."""
    spread_st = speaker.pitch_range_st * max(0.2, manner.spread)
    knots_s = [0.4 * syllable.vowel_s + 0.6 * syllable.end_s for syllable in spoken]
    accents = rng.normal(0.0, 0.85, len(spoken))
    accents[-1] += rng.normal(-0.5, 0.7)
    line = np.linspace(0.6, -0.6, len(centres_s)) + np.interp(centres_s, knots_s, accents)
    contour_st = manner.pitch_st + spread_st * line + uniform_filter1d(rng.normal(0, 0.2, len(centres_s)), size=2)
    pitch_hz: np.ndarray = np.clip(speaker.pitch_hz * 2 ** (contour_st / 12), _LEAST_HZ, _MOST_HZ)
    return pitch_hz


@cache
def _periods(tilt_db: float) -> np.ndarray:
    """Return one period of the source for rising pitches, ``(tables, period)``, with the harmonics below 7.6 kHz.

    Harmonics fall by 6 dB per octave, less the tilt.
    """
    count = 1 + math.ceil(math.log2(_MOST_HZ / _LEAST_HZ) * _TABLES_PER_OCTAVE)
    order = np.arange(1, _TABLE // 2 + 1)
    slope = order ** (-(6.0 - tilt_db) / 6.02) * np.exp(-0.5j * np.pi * np.log2(order))
    spectra = np.zeros((count, _TABLE // 2 + 1), dtype=np.complex64)
    for table in range(count):
        harmonics = int(7600 / (_LEAST_HZ * 2 ** (table / _TABLES_PER_OCTAVE)))
        spectra[table, 1 : harmonics + 1] = slope[:harmonics]
    periods = irfft(spectra, _TABLE, axis=1).astype(np.float32)
    return np.asarray(periods / np.sqrt(np.mean(np.square(periods), axis=1, keepdims=True)))


def _tract(syllable: np.ndarray, count: int, speaker: Actor, rng: np.random.Generator) -> np.ndarray:
    """Return the gain of the vocal tract, ``(F, B)`` float32, gliding from vowel to vowel."""
    vowels = _VOWELS[rng.integers(len(_VOWELS), size=count)] * rng.normal(1.0, 0.03, (count, 3)).astype(np.float32)
    fourth = np.full((count, 1), 3500.0, dtype=np.float32)
    formants = np.concatenate([vowels, fourth], axis=1) * np.float32(speaker.formant_scale)
    glide = uniform_filter1d(formants[syllable], size=5, axis=0)  # (F, 4)
    gain = np.full((len(syllable), len(_BINS_HZ)), 0.01, dtype=np.float32)
    for k in range(4):
        away = (_BINS_HZ[None, :] - glide[:, k : k + 1]) / (0.5 * _BANDWIDTHS[k])
        gain += _GAINS[k] / np.sqrt(1.0 + away * away)
    return gain


_HISS = np.clip((_BINS_HZ - 1500) / 3000, 0.02, 1.0).astype(np.float32)
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _spectra(wave: np.ndarray) -> np.ndarray:
    """Return the spectra of the wave's Hann windows, ``(F, B)`` complex64."""
    windows = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW)[::_HOP]
    return np.asarray(rfft(windows * _HANN, axis=1))


def _overlap_add(spectra: np.ndarray) -> np.ndarray:
    """Return the wave of spectra one hop apart; Hann windows with a hop of a quarter window add up evenly."""
    windows = irfft(spectra, _WINDOW, axis=1).reshape(len(spectra), _WINDOW // _HOP, _HOP)
    blocks = np.zeros((len(spectra) + _WINDOW // _HOP - 1, _HOP), dtype=np.float32)
    for part in range(_WINDOW // _HOP):
        blocks[part : part + len(spectra)] += windows[:, part]
    return blocks.reshape(-1) * np.float32(0.5)
