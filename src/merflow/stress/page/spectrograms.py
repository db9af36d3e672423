"""Pictures of the conditions' effect on audio, drawn from a generated signal: the page shows nobody's recording.

Shapes: n samples.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.features.media.spectrogram import log_mel
from merflow.stress.conditions.catalogue import CONDITIONS, installed
from merflow.stress.conditions.condition import SoundChange

_SECONDS = 2.4
_FLOOR_DB = -60.0  # below the loudest point
_SYLLABLES = 4
_WIDTH = 300  # pixels; a taller picture shows no more of 64 bands
_BANDS = 64
_QUALITY = 70


@dataclass(frozen=True)
class Picture:
    """A spectrogram.

    Attributes:
        name: Name of the condition; ``unchanged`` for the signal itself.
        description: The change in a few words.
        source: The picture as a data URL.
    """

    name: str
    description: str
    source: str


def pictures(names: Sequence[str]) -> list[Picture]:
    """Draw the signal, unchanged and under the conditions with these names; only audio conditions are drawn."""
    signal = syllables()
    drawn = [Picture("unchanged", "a generated voice of four syllables", _drawn(signal))]
    for condition in CONDITIONS:
        if condition.name in names and isinstance(condition.change, SoundChange) and installed(condition):
            changed = condition.change.change(signal, np.random.default_rng(0))
            drawn.append(Picture(condition.name, condition.description, _drawn(changed)))
    return drawn


@cache
def syllables() -> np.ndarray:
    """Return a generated voice, ``(n,)`` float32: harmonics of a gliding pitch below formants, in four syllables."""
    seconds = np.arange(round(_SECONDS * RATE_HZ)) / RATE_HZ
    pitch_hz = 140 + 40 * np.sin(2 * np.pi * 0.6 * seconds)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants_hz = (600 + 250 * np.sin(2 * np.pi * 1.3 * seconds), 1600 + 600 * np.cos(2 * np.pi * 0.9 * seconds), 3000)
    voice = np.zeros_like(seconds)
    for number in range(1, 45):
        hertz = number * pitch_hz
        loudness = sum(np.exp(-(((hertz - formant) / 220) ** 2)) for formant in formants_hz) + 0.02
        voice += np.where(hertz < RATE_HZ / 2, loudness / number**0.5, 0.0) * np.sin(number * phase)
    spoken = np.clip(3 * np.sin(np.pi * _SYLLABLES * seconds / _SECONDS) ** 2 - 0.6, 0.0, 1.0)
    return np.asarray(0.25 * spoken * voice / np.abs(voice).max(), dtype=np.float32)


def _drawn(samples: np.ndarray) -> str:
    """Return the spectrogram of the first seconds as a data URL; white is silence."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.image import imsave

    # On the scale of the unchanged signal, so that louder and quieter audio looks different.
    reference = float(np.abs(syllables()).max())
    own = float(np.abs(samples).max()) or reference
    bands = log_mel(samples, bands=_BANDS) + 20 * np.log10(own / reference)
    canvas = np.full((_WIDTH, _BANDS), _FLOOR_DB)
    canvas[: min(_WIDTH, len(bands))] = bands[:_WIDTH]
    file = io.BytesIO()
    shades = ScalarMappable(Normalize(_FLOOR_DB, 0.0), "Blues").to_rgba(canvas.T)
    imsave(file, shades, origin="lower", format="webp", pil_kwargs={"quality": _QUALITY})
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
