"""Background noise at a level below the speech.

Shapes: n samples.
"""

from collections.abc import Callable

import numpy as np

from merflow.corpus.samples import RATE_HZ
from merflow.stress.conditions.speech_level import speech_power

# Pink noise has equal power per octave, roughly like traffic, fans and a distant crowd. Below this frequency, it would
# be a rumble that telephone and laptop microphones do not pick up.
LOWEST_HZ = 50.0


def noisy(snr_db: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Return a change that adds pink noise.

    Args:
        snr_db: Power of the speech, without pauses, relative to that of the noise, in dB.
    """

    def change(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = pink(len(samples), rng)
        power = float(np.mean(noise**2))
        if not power:
            return samples
        scale = np.sqrt(speech_power(samples) / power * 10 ** (-snr_db / 10))
        return np.asarray(samples + scale * noise, dtype=np.float32)

    return change


def pink(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return pink noise ``(count,)`` float64; its power falls by 3 dB per octave above :data:`LOWEST_HZ`."""
    # Shape a power of two of samples, then cut: a prime number of samples would make the transform slow.
    length = max(16, 1 << (count - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, d=1 / RATE_HZ)
    shape = np.divide(1.0, np.sqrt(hertz), out=np.zeros_like(hertz), where=hertz >= min(LOWEST_HZ, hertz[-1]))
    return np.asarray(np.fft.irfft(spectrum * shape, n=length)[:count])
