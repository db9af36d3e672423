"""Each change of sound against a measurement that does not use its code."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import welch

from merflow.corpus.samples import RATE_HZ
from merflow.stress.conditions.catalogue import CONDITIONS
from merflow.stress.conditions.codec import MP3, OPUS, Codec, through
from merflow.stress.conditions.condition import SoundChange
from merflow.stress.conditions.edges import surrounded_by_silence, trimmed
from merflow.stress.conditions.level import amplified, clipped
from merflow.stress.conditions.noise import noisy, pink
from merflow.stress.conditions.room import impulse_response, reverberant
from merflow.stress.conditions.speech_level import speech_power
from merflow.stress.conditions.telephone import telephone
from merflow.stress.conditions.tempo import spoken_at

SOUND = {each.name: each.change.change for each in CONDITIONS if isinstance(each.change, SoundChange)}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def tone(hertz: float, *, seconds: float = 1.0, peak: float = 0.2) -> np.ndarray:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


def voice() -> np.ndarray:
    """Return a second of a buzz of 130 Hz between two pauses of half a second."""
    times = np.arange(RATE_HZ) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 130 * number * times) / number for number in range(1, 20))
    pause = np.zeros(RATE_HZ // 2)
    return np.concatenate([pause, 0.1 * np.asarray(buzz), pause]).astype(np.float32)


@pytest.mark.parametrize("name", sorted(SOUND))
def test_a_change_repeats_itself_and_stands_any_recording(name: str) -> None:
    change = SOUND[name]
    given = voice()
    before = given.copy()
    first, again = change(given, rng()), change(given, rng())
    assert np.array_equal(first, again)
    assert np.array_equal(given, before), "the recording itself stays as it is"
    assert not np.array_equal(first, given)
    for count in (1, 2, 160, 1999):
        for short in (voice()[8000 : 8000 + count], np.zeros(count, dtype=np.float32)):
            changed = change(short, rng())
            assert changed.dtype == np.float32
            assert changed.ndim == 1
            assert len(changed) >= 1
            assert np.isfinite(changed).all()


def test_all_changes_of_sound_were_tried() -> None:
    assert len(SOUND) == 14


def test_a_telephone_line_passes_the_voice_band_alone() -> None:
    passed = {hertz: level_db(telephone(tone(hertz), rng())[2000:]) - level_db(tone(hertz)) for hertz in
              (100, 150, 500, 1000, 3000, 5000, 7000)}  # fmt: skip
    assert all(abs(passed[hertz]) < 1 for hertz in (500, 1000, 3000)), passed
    assert all(passed[hertz] < -20 for hertz in (100, 150, 5000, 7000)), passed
    steady = telephone(tone(1037, peak=0.9), rng())[4000:12000]
    times = np.arange(len(steady)) / RATE_HZ
    basis = np.stack([np.sin(2 * np.pi * 1037 * times), np.cos(2 * np.pi * 1037 * times)], axis=1)
    rest = steady - basis @ np.linalg.lstsq(basis, steady, rcond=None)[0]
    # Mu-law of eight bits keeps 36 to 40 dB between a strong tone and its rounding noise.
    assert 33 < level_db(steady) - level_db(rest) < 45


@pytest.mark.parametrize("snr_db", [20, 10, 0])
def test_noise_has_the_asked_distance_from_the_speech(snr_db: int) -> None:
    given = voice()
    noise = noisy(snr_db)(given, rng()).astype(np.float64) - given
    speech = given[8000:24000]
    assert level_db(speech) - level_db(noise) == pytest.approx(snr_db, abs=0.1), "pauses are not speech"


def test_noise_is_pink() -> None:
    hertz, density = welch(pink(40 * RATE_HZ, rng()), fs=RATE_HZ, nperseg=4096)
    octaves = [density[(hertz >= low) & (hertz < 2 * low)].mean() * low for low in (125, 250, 500, 1000, 2000, 4000)]
    assert max(octaves) / min(octaves) < 1.25, "equal power per octave"


def test_levels_of_noise_differ_in_level_alone() -> None:
    given = voice()
    quiet, loud = (noisy(snr_db)(given, rng(3)).astype(np.float64) - given for snr_db in (20, 0))
    np.testing.assert_allclose(loud, 10 * quiet, atol=1e-6)
    assert not np.allclose(noisy(0)(given, rng(3)), noisy(0)(given, rng(4)))


def test_the_power_of_speech_leaves_pauses_out() -> None:
    given = tone(200, seconds=1.0, peak=0.5)
    padded = np.concatenate([given, np.zeros(3 * RATE_HZ, dtype=np.float32)])
    assert speech_power(padded) == pytest.approx(0.125, rel=0.02)
    assert speech_power(np.zeros(RATE_HZ, dtype=np.float32)) == 0


def test_a_room_decays_as_asked_and_keeps_length_and_power() -> None:
    response = impulse_response(0.5, rng())
    tail = response[1:].astype(np.float64)
    decay_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))  # Schroeder's integral
    fifth, twenty_fifth = (int(np.argmax(decay_db < level)) for level in (-5, -25))
    assert 3 * (twenty_fifth - fifth) / RATE_HZ == pytest.approx(0.5, rel=0.1)
    assert np.sum(tail**2) == pytest.approx(response[0] ** 2, rel=1e-6), "direct and reverberant sound equally strong"
    heard = reverberant(0.5)(voice(), rng())
    assert len(heard) == len(voice())
    assert level_db(heard) == pytest.approx(level_db(voice()), abs=0.01)
    assert level_db(heard[24000:25600]) > -50 > level_db(voice()[24000:25600] + 1e-6), "it rings on in the pause"


def test_clipping_cuts_the_asked_share_and_no_more() -> None:
    given = rng().normal(0, 0.1, RATE_HZ).astype(np.float32)
    cut = clipped(0.05)(given, rng())
    assert np.mean(cut != given) == pytest.approx(0.05, abs=0.001)
    assert np.array_equal(cut[cut == given], given[cut == given])
    assert len(np.unique(np.abs(cut[cut != given]))) == 1


def test_gain_moves_the_level_and_stops_at_full_scale() -> None:
    given = tone(300, peak=0.05)
    for gain_db in (-20, 20):
        assert level_db(amplified(gain_db)(given, rng())) - level_db(given) == pytest.approx(gain_db, abs=0.01)
    loud = amplified(20)(tone(300, peak=0.5), rng())
    assert np.abs(loud).max() == 1.0
    assert np.mean(np.abs(loud) == 1.0) > 0.5


@pytest.mark.parametrize("codec", [OPUS, MP3])
def test_a_codec_returns_nearly_the_same_sound_at_the_same_time(codec: Codec) -> None:
    pytest.importorskip("av")
    given = voice()
    heard = through(codec)(given, rng())
    assert len(heard) == len(given)
    shifted = np.fft.irfft(np.fft.rfft(heard, 2 * len(given)) * np.conj(np.fft.rfft(given, 2 * len(given))))
    assert abs(int(np.argmax(shifted))) <= 2, "no delay"
    likeness = float(heard @ given / np.sqrt((heard @ heard) * (given @ given)))
    assert 0.95 < likeness < 0.99999, "like the recording, and not the recording"


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_speech_gets_slower_or_faster_and_keeps_its_pitch(rate: float) -> None:
    given = voice()
    changed = spoken_at(rate)(given, rng())
    assert len(changed) == round(len(given) / rate)
    pitches = []
    for samples in (given, changed):
        middle = samples[len(samples) // 2 - 4000 : len(samples) // 2 + 4000].astype(np.float64)
        likeness = np.correlate(middle, middle, mode="full")[len(middle) - 1 :]
        pitches.append(RATE_HZ / (80 + int(np.argmax(likeness[80:200]))))
    assert pitches[1] == pytest.approx(pitches[0], rel=0.015)
    loud = np.flatnonzero(np.abs(changed) > 0.02)
    assert (loud[-1] - loud[0]) / RATE_HZ == pytest.approx(1 / rate, rel=0.03), "the voice, not only the pauses"
    assert level_db(changed) == pytest.approx(level_db(given), abs=0.5)


def test_ends_are_trimmed_and_silence_is_added() -> None:
    given = voice()
    assert np.array_equal(trimmed(0.2)(given, rng()), given[3200:-3200])
    assert len(trimmed(0.2)(given[:1000], rng())) == 600, "a short answer keeps most of itself"
    around = surrounded_by_silence(0.5)(given, rng())
    assert np.array_equal(around[8000:-8000], given)
    assert not around[:8000].any()
    assert not around[-8000:].any()


def test_names_and_limits_are_sound() -> None:
    assert len({each.name for each in CONDITIONS}) == len(CONDITIONS) == 19
    assert len({each.description for each in CONDITIONS}) == len(CONDITIONS), "the level is in the description"
    assert all(0 < each.allowed_drop < 0.5 < 1 + each.min_unchanged for each in CONDITIONS)
    by_snr: list[Callable[..., object]] = [SOUND[f"noise-{snr}dB"] for snr in (20, 10, 0)]
    assert len(by_snr) == 3
    noise = [each for each in CONDITIONS if each.family == "noise"]
    assert [each.allowed_drop for each in noise] == sorted(each.allowed_drop for each in noise), "mild to severe"
