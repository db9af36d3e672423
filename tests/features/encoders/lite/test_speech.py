import subprocess
import sys

import numpy as np
import pytest

from merflow.features.encoders.lite.measurements import NAMES, measure
from merflow.features.encoders.lite.speech import (
    STATISTICS,
    LiteSpeech,
    LiteSpeechLayers,
    LiteSpeechLayersSettings,
    LiteSpeechSettings,
    view,
)
from tests.features.encoders.lite.voices import voice

BANDS = 24


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(399), np.zeros(16_000), np.ones(5), np.ones(16_000)])
def test_silent_constant_and_tiny_recordings_give_finite_numbers(samples: np.ndarray) -> None:
    encoder = LiteSpeech(LiteSpeechSettings(mel_bands=BANDS, window_s=0.4))
    (array,) = encoder.encode([encoder.prepare(samples.astype(np.float32))])
    assert array.shape == (max(1, (len(samples) - 400) // 320 + 1), encoder.shape.width)
    assert np.isfinite(array).all()


def test_view_equals_a_slow_loop() -> None:
    measured = np.random.default_rng(0).standard_normal((40, 10)) + 100
    padded = np.pad(measured, ((2, 2), (0, 0)), mode="edge")
    slopes = np.array([np.polyfit(range(5), padded[step : step + 5], 1)[0] for step in range(40)])
    padded = np.pad(slopes, ((2, 2), (0, 0)), mode="edge")
    bends = np.array([np.polyfit(range(5), padded[step : step + 5], 1)[0] for step in range(40)])
    for span_s, reach in ((0.2, 5), (None, 40)):  # 0.2 s are ten steps, so five on either side
        fast = view(measured, span_s=span_s)
        for step in range(40):
            window = slice(max(0, step - reach), step + reach + 1)
            inside = measured[window]
            time = np.linspace(-1, 1, len(inside))
            trend = (time[:, None] * (inside - inside.mean(axis=0))).mean(axis=0)
            slow = [
                inside.mean(axis=0),
                inside.std(axis=0),
                trend,
                slopes[window].std(axis=0),
                bends[window].std(axis=0),
            ]
            assert fast[step] == pytest.approx(np.concatenate(slow), rel=1e-5, abs=1e-5)


def test_every_step_carries_the_statistics_of_the_whole_recording() -> None:
    encoder = LiteSpeech(LiteSpeechSettings(mel_bands=BANDS, window_s=0.4))
    samples = np.concatenate([voice(120), voice(240)])
    (array,) = encoder.encode([encoder.prepare(samples)])
    local, whole = np.split(array, 2, axis=1)
    assert np.array_equal(whole, np.broadcast_to(whole[0], whole.shape))
    measured = measure(samples, bands=BANDS)
    assert whole[0, : len(NAMES)] == pytest.approx(measured.mean(axis=0), rel=1e-4, abs=1e-5)
    pitch = NAMES.index("pitch")
    assert local[-1, pitch] - local[0, pitch] == pytest.approx(1.0, abs=0.1)


def test_layers_go_from_short_spans_to_the_whole_recording() -> None:
    settings = LiteSpeechLayersSettings(mel_bands=BANDS, layers=3, window_s=0.2, growth=10.0)
    encoder = LiteSpeechLayers(settings)
    samples = np.concatenate([voice(120), voice(240)])
    (array,) = encoder.encode([encoder.prepare(samples)])
    assert array.shape == (99, 3, encoder.shape.width)
    assert array.shape[2] == STATISTICS * len(NAMES)
    assert array.dtype == np.float32
    assert np.array_equal(array[:, 1], view(measure(samples, bands=BANDS), span_s=2.0))
    assert array[:, 2] == pytest.approx(view(measure(samples, bands=BANDS), span_s=None), abs=1e-4)
    movement = array[:, :, NAMES.index("pitch")].std(axis=0)
    assert movement[0] > movement[1] > movement[2]
    assert movement[2] < 1e-6


def test_another_process_gets_the_same_bytes() -> None:
    program = (
        "import numpy as np\n"
        "from merflow.features.encoders.lite.measurements import measure\n"
        "from merflow.features.encoders.lite.speech import view\n"
        "samples = np.sin(np.arange(16000) ** 1.2).astype(np.float32)\n"
        "print(view(measure(samples, bands=24), span_s=0.4).tobytes().hex())\n"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    samples = np.sin(np.arange(16000) ** 1.2).astype(np.float32)
    assert bytes.fromhex(there) == view(measure(samples, bands=24), span_s=0.4).tobytes()
