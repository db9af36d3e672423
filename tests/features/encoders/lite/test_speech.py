import subprocess
import sys

import numpy as np
import pytest

from merflow.features.encoders.lite.speech import (
    LiteSpeech,
    LiteSpeechLayers,
    LiteSpeechLayersSettings,
    LiteSpeechSettings,
    measure,
    view,
)

BANDS = 24


def _voice(pitch_hz: float, *, duration_s: float = 1.0, gain: float = 0.1) -> np.ndarray:
    time_s = np.arange(round(duration_s * 16_000)) / 16_000
    harmonics = range(1, int(4_000 / pitch_hz))
    waves = [np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in harmonics]
    return np.asarray(gain * np.sum(waves, axis=0), dtype=np.float32)


@pytest.mark.parametrize(("duration_s", "steps"), [(5.0, 249), (6.0, 299), (0.025, 1), (0.044, 1), (0.045, 2)])
def test_steps_are_counted_as_wavlm_counts_them(duration_s: float, steps: int) -> None:
    assert len(measure(np.ones(round(duration_s * 16_000), dtype=np.float32), bands=BANDS)) == steps


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(399), np.zeros(16_000), np.ones(5), np.ones(16_000)])
def test_silent_constant_and_tiny_recordings_give_finite_numbers(samples: np.ndarray) -> None:
    encoder = LiteSpeech(LiteSpeechSettings(mel_bands=BANDS, window_s=0.4))
    (array,) = encoder.encode([encoder.prepare(samples.astype(np.float32))])
    assert array.shape == (max(1, (len(samples) - 400) // 320 + 1), encoder.shape.width)
    assert np.isfinite(array).all()


@pytest.mark.parametrize("pitch_hz", [80.0, 120.0, 200.0, 310.0, 440.0])
def test_pitch_is_found(pitch_hz: float) -> None:
    measured = measure(_voice(pitch_hz), bands=BANDS)
    assert 100 * 2 ** np.median(measured[:, BANDS]) == pytest.approx(pitch_hz, rel=0.02)
    assert np.median(measured[:, BANDS + 1]) > 0.9


def test_noise_is_unvoiced() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert np.median(measure(noise, bands=BANDS)[:, BANDS + 1]) < 0.45


def test_gain_moves_the_level_and_nothing_else() -> None:
    quiet, loud = (measure(_voice(150, gain=gain), bands=BANDS) for gain in (0.05, 0.2))
    level = BANDS + 2
    assert loud[:, level] - quiet[:, level] == pytest.approx(np.log(16), abs=1e-3)
    assert np.delete(loud, level, axis=1) == pytest.approx(np.delete(quiet, level, axis=1), abs=1e-3)


def test_view_equals_a_slow_loop() -> None:
    measured = np.random.default_rng(0).standard_normal((40, 10)) + 100
    span_s = 0.2  # ten steps, so five on either side
    fast = view(measured, span_s=span_s)
    for step in range(40):
        window = measured[max(0, step - 5) : step + 6]
        slow = np.concatenate([window.mean(axis=0)[:5], window.std(axis=0)])
        assert fast[step] == pytest.approx(slow, rel=1e-5, abs=1e-5)


def test_layers_go_from_short_spans_to_the_whole_utterance() -> None:
    settings = LiteSpeechLayersSettings(mel_bands=BANDS, layers=3, window_s=0.2, growth=10.0)
    encoder = LiteSpeechLayers(settings)
    random = np.random.default_rng(0)
    samples = np.concatenate([_voice(120), _voice(240)]) + 0.001 * random.standard_normal(32_000)
    (array,) = encoder.encode([encoder.prepare(samples.astype(np.float32))])
    assert array.shape == (99, 3, encoder.shape.width)
    assert array.dtype == np.float32
    single = LiteSpeech(LiteSpeechSettings(mel_bands=BANDS, window_s=2.0))
    (alone,) = single.encode([single.prepare(samples.astype(np.float32))])
    assert np.array_equal(alone, array[:, 1])
    movement = array[:, :, BANDS].std(axis=0)
    assert movement[0] > movement[1] > movement[2]
    assert movement[2] < 1e-6


def test_another_process_gets_the_same_bytes() -> None:
    program = (
        "import numpy as np\n"
        "from merflow.features.encoders.lite.speech import measure, view\n"
        "samples = np.sin(np.arange(16000) ** 1.2).astype(np.float32)\n"
        "print(view(measure(samples, bands=24), span_s=0.4).tobytes().hex())\n"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    samples = np.sin(np.arange(16000) ** 1.2).astype(np.float32)
    assert bytes.fromhex(there) == view(measure(samples, bands=24), span_s=0.4).tobytes()
