import numpy as np
import pytest

from merflow.features.media.clips import cut, voice_start


def test_the_clip_starts_where_the_voice_starts() -> None:
    random = np.random.default_rng(0)
    silence = 1e-4 * random.standard_normal(16_000)
    voice = 0.1 * random.standard_normal(32_000)
    samples = np.concatenate([silence, voice]).astype(np.float32)
    start = voice_start(samples)
    assert 16_000 - 1_000 <= start <= 16_000
    clip = cut(samples, clip_s=0.5, skip_silence=True)
    assert np.array_equal(clip, samples[start : start + 8_000])
    assert np.array_equal(cut(samples, clip_s=0.5, skip_silence=False), samples[:8_000])
    assert np.array_equal(cut(samples, clip_s=None, skip_silence=False), samples)


def test_a_click_in_the_silence_does_not_count_as_voice() -> None:
    random = np.random.default_rng(0)
    samples = np.concatenate([np.zeros(16_000), 0.1 * random.standard_normal(16_000)]).astype(np.float32)
    samples[5_000:5_100] = 0.5
    assert voice_start(samples) > 14_000


@pytest.mark.parametrize("length", [1, 100, 400, 799])
def test_short_and_silent_recordings_are_kept_whole(length: int) -> None:
    assert voice_start(np.ones(length, dtype=np.float32)) == 0
    assert voice_start(np.zeros(16_000, dtype=np.float32)) == 0
