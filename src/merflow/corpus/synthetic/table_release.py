"""Generator of a table corpus from a seed: a CSV file and recordings.

The recordings differ from those of the synthetic IEMOCAP as those of two real corpora do: other speakers, a sampling
rate of 8 kHz, rooms that reverberate, hum, and a constant level, so that loudness shows no emotion. The files have the
16 kHz that merflow reads, and nothing above 4 kHz.
"""

import csv
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.corpus.synthetic.parallel import run_all
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import TABLE_SIZES
from merflow.corpus.synthetic.table_plan import Reading, plan_readings
from merflow.corpus.synthetic.voice import RATE_HZ, speak, syllables
from merflow.corpus.synthetic.wav import write_wav
from merflow.corpus.synthetic.whole_release import checked_size, kept_or_written, processes

TABLE_GENERATOR_VERSION = 1
"""Version of the generator; raise it if the same size and seed give other bytes than before."""

TABLE = "utterances.csv"
_COLUMNS = ("utterance_id", "speaker", "gender", "session", "emotion", "audio_path", "transcript")

_README = f"""\
SYNTHETIC RECORDINGS

This folder is a corpus in the form of a table, {TABLE}: ten speakers read the same sentences in seven emotions. Every
file was made by a random generator: nobody spoke these words. Results on it say nothing about results on speech.

What it is, and how to make it again: {SYNTHETIC_MARK}.
The label "other" is boredom.
"""
_RECORDED_AT_HZ = 8_000
_LEVEL_DBFS = (-23.0, 1.0)  # mean and standard deviation
_REVERBERATION_S = (0.2, 0.45)  # until a sound of the room has fallen by 60 dB
_REVERBERANT_DB = (-12.0, -6.0)  # energy of the reverberation relative to the voice
_HISS_DBFS = (-56.0, -48.0)
_HUM_DBFS = (-58.0, -50.0)
_MAINS_HZ = 50.0


def synthesize_table(
    out: Path, *, size: str, seed: int = 0, progress: Progress | None = None, workers: int | None = None
) -> Path:
    """Generate a table corpus, unless the same one is already there, say what it holds, and return the CSV file.

    The bytes depend on size and seed alone. The folder appears whole or not at all.

    Args:
        out: Folder of the corpus; must be absent, empty or hold the same corpus.
        size: ``tiny`` (140 recordings), ``small`` (350) or ``full`` (700).
        seed: Any number from 0.
        progress: Receives the stage ``speakers``, those done and their total; None prints plain lines.
        workers: Processes; by default one per core, and a single one for ``tiny``.

    Raises:
        CorpusError: The size is unknown or the seed is below 0.
        OutputError: The folder holds something else, is read-only, or the disk is full.
    """
    known = checked_size(size, TABLE_SIZES, seed=seed, of="a synthetic table")
    identity = {"format": "table", "size": size, "seed": seed, "generator_version": TABLE_GENERATOR_VERSION}
    readings = plan_readings(known, seed)
    count = processes(size, workers)
    note = kept_or_written(
        out,
        identity,
        lambda part: _write(part, readings, seed=seed, workers=count, progress=progress or plain_lines()),
    )
    speakers = len({reading.name for reading in readings})
    say(f"synthesize: {size} table, seed {seed}, {speakers} speakers, {len(readings)} recordings in {out}{note}")
    return out / TABLE


def _write(root: Path, readings: Sequence[Reading], *, seed: int, workers: int, progress: Progress) -> None:
    (root / "wav").mkdir()
    (root / "README.txt").write_text(_README, encoding="ascii")
    with (root / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(map(_row, readings))
    speakers = [list(group) for _, group in groupby(readings, key=lambda each: each.name)]
    calls = [partial(_write_recordings, root / "wav", group, seed=seed) for group in speakers]
    run_all(calls, stage="speakers", workers=workers, progress=progress)


def _row(reading: Reading) -> dict[str, str]:
    return {
        "utterance_id": reading.utterance_id,
        "speaker": reading.name,
        "gender": reading.speaker.letter,
        "session": f"Session{reading.session}",
        "emotion": reading.emotion,
        "audio_path": f"wav/{reading.utterance_id}.wav",
        "transcript": reading.text,
    }


def _write_recordings(folder: Path, readings: Sequence[Reading], *, seed: int) -> None:
    for reading in readings:
        write_wav(folder / f"{reading.utterance_id}.wav", _record(reading, seed=seed))


def _record(reading: Reading, *, seed: int) -> np.ndarray:
    """Return the recording of a sentence, ``(samples,)`` int16."""
    rng = generator(seed, "table sound", reading.utterance_id)
    voice = speak(
        syllables(reading.text, duration_s=reading.duration_s, rng=rng),
        samples=round(reading.duration_s * RATE_HZ),
        speaker=reading.speaker,
        showing=reading.shows,
        seed=int(rng.integers(2**31)),
    )
    day = generator(seed, "table room", str(reading.session))
    room = _room(day)
    heard = resample_poly(fftconvolve(voice, room)[: len(voice)], _RECORDED_AT_HZ, RATE_HZ)
    level, hiss, hum = rng.normal(*_LEVEL_DBFS), day.uniform(*_HISS_DBFS), day.uniform(*_HUM_DBFS)
    times_s = np.arange(len(heard)) / _RECORDED_AT_HZ
    mix = heard * (_amplitude(level) / np.sqrt(np.mean(np.square(heard))))
    mix += _amplitude(hiss) * rng.standard_normal(len(heard))
    mix += _amplitude(hum) * np.sqrt(2) * np.sin(2 * np.pi * (_MAINS_HZ * times_s + rng.uniform()))
    mix = resample_poly(mix, RATE_HZ, _RECORDED_AT_HZ)
    return np.asarray(np.clip(np.rint(mix * 32767.0), -32767, 32767), dtype=np.int16)


def _room(rng: np.random.Generator) -> np.ndarray:
    """Return the impulse response of a room at the rate of the voice: the voice itself, then noise that decays."""
    decay_s = rng.uniform(*_REVERBERATION_S)
    times_s = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / decay_s)
    tail *= _amplitude(rng.uniform(*_REVERBERANT_DB)) / np.sqrt(np.sum(np.square(tail)))
    return np.concatenate([[1.0], tail])


def _amplitude(level_db: float) -> float:
    return float(10 ** (level_db / 20))
