import numpy as np
import pytest

from merflow.features.encoders.lite.measurements import NAMES, measure
from tests.features.encoders.lite.voices import RATE_HZ, pulses, voice


def column(samples: np.ndarray, name: str) -> np.ndarray:
    return measure(samples.astype(np.float32), bands=24)[:, NAMES.index(name)]


@pytest.mark.parametrize(("duration_s", "steps"), [(5.0, 249), (6.0, 299), (0.025, 1), (0.044, 1), (0.045, 2)])
def test_steps_are_counted_as_wavlm_counts_them(duration_s: float, steps: int) -> None:
    measured = measure(np.ones(round(duration_s * RATE_HZ), dtype=np.float32), bands=24)
    assert measured.shape == (steps, len(NAMES))


@pytest.mark.parametrize("pitch_hz", [80.0, 120.0, 200.0, 310.0, 440.0])
def test_pitch_is_found(pitch_hz: float) -> None:
    assert 100 * 2 ** np.median(column(voice(pitch_hz), "pitch")) == pytest.approx(pitch_hz, rel=0.01)
    assert np.median(column(voice(pitch_hz), "voicing")) > 0.9


def test_noise_is_unvoiced_and_has_no_pitch() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    assert np.median(column(noise, "voicing")) < 0.45
    assert np.median(column(noise, "flatness")) > np.median(column(voice(150), "flatness")) + 2


def test_gain_moves_level_and_loudness_and_nothing_else() -> None:
    quiet, loud = (measure(voice(150, gain=gain), bands=24) for gain in (0.05, 0.2))
    level, loudness = NAMES.index("level"), NAMES.index("loudness")
    assert loud[:, level] - quiet[:, level] == pytest.approx(np.log(16), abs=1e-3)
    assert loud[:, loudness] / quiet[:, loudness] == pytest.approx(16**0.23, rel=5e-3)
    rest = np.delete(np.arange(len(NAMES)), [level, loudness])
    assert loud[:, rest] == pytest.approx(quiet[:, rest], abs=2e-3)


@pytest.mark.parametrize("pitch_hz", [100.0, 150.0, 250.0])
@pytest.mark.parametrize("strength", [0.01, 0.02])
def test_jitter_and_shimmer_are_measured_apart(pitch_hz: float, strength: float) -> None:
    uneven, rough = pulses(pitch_hz, jitter=strength), pulses(pitch_hz, shimmer=strength)
    assert np.median(column(uneven, "jitter")) == pytest.approx(strength, rel=0.25)
    assert np.median(column(uneven, "shimmer")) < 0.02
    assert np.median(column(rough, "shimmer")) == pytest.approx(strength, rel=0.25)
    assert np.median(column(rough, "jitter")) < 0.005


def test_harmonicity_is_the_ratio_of_harmonics_to_noise() -> None:
    tone, noise = voice(200).astype(np.float64), np.random.default_rng(0).standard_normal(RATE_HZ)
    for ratio_db in (5.0, 10.0):
        mixed = tone + noise * np.sqrt(np.mean(tone**2) / 10 ** (ratio_db / 10))
        assert np.median(column(mixed, "harmonicity")) == pytest.approx(ratio_db / 10 * np.log(10), abs=0.35)


def test_a_breathy_voice_has_a_strong_first_harmonic() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for ratio in (2.0, 4.0):
        tone = np.sin(2 * np.pi * 200 * time_s) + np.sin(2 * np.pi * 400 * time_s) / ratio
        assert np.median(column(0.1 * tone, "H1-H2")) == pytest.approx(2 * np.log(ratio), abs=0.2)


def test_spectral_shape_follows_the_band_of_a_noise() -> None:
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(random.standard_normal(RATE_HZ))
    hertz = np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)
    low, high = (np.fft.irfft(np.where((hertz > a) & (hertz < b), spectrum, 0)) for a, b in ((300, 700), (2500, 3500)))
    assert np.exp(np.median(column(low, "centroid"))) == pytest.approx(500, rel=0.1)
    assert np.exp(np.median(column(high, "centroid"))) == pytest.approx(3000, rel=0.1)
    assert np.exp(np.median(column(high, "roll-off 50%"))) == pytest.approx(3000, rel=0.1)
    for name in ("alpha ratio", "Hammarberg index"):
        assert np.median(column(low, name)) > 5 > -5 > np.median(column(high, name))
    assert np.median(column(high, "zero crossings")) > np.median(column(low, "zero crossings")) + 1


def test_steps_without_voice_take_the_pitch_around_them() -> None:
    silence = 1e-4 * np.random.default_rng(0).standard_normal(8_000)
    pitch = column(np.concatenate([voice(120), silence, voice(240)]), "pitch")
    assert np.all(np.diff(pitch[52:72]) >= -1e-9)
    assert pitch[:45] == pytest.approx(np.log2(1.2), abs=0.05)
    assert pitch[-45:] == pytest.approx(np.log2(2.4), abs=0.05)
