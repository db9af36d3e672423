"""Speed and memory of ``merflow listen`` over the length of a recording.

A recording is made of a folder's voices in random order, with pauses between them, and each length is heard in a
process of its own. The ratios say if memory stays flat and time grows with the length alone::

    python -m benchmarks.listen --model runs/demo --voices runs/demo/corpus --minutes 10 60
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

import numpy as np
import soundfile

from merflow.corpus.samples import RATE_HZ
from merflow.jobs.listen import ListenRequest, listen
from merflow.opening.open_model import open_model

_PAUSE_S = (0.4, 3.0)
_NOISE = 0.001


@dataclass(frozen=True)
class Measured:
    """One length.

    Attributes:
        minutes: Length of the recording.
        segments: Segments that were found.
        real_time_factor: Seconds of work per second of sound, without loading the model.
        cpu_factor: The same in processor time, which a busy machine changes less.
        peak_mb: Largest resident memory of the process.
        page_mb: Size of the page.
    """

    minutes: float
    segments: int
    real_time_factor: float
    cpu_factor: float
    peak_mb: float
    page_mb: float


def record(path: Path, *, voices: Sequence[Path], minutes: float) -> None:
    """Write a recording of this length, a voice at a time."""
    drawn, noise = random.Random(0), np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", samplerate=RATE_HZ, channels=1, subtype="PCM_16") as file:
        while file.tell() < minutes * 60 * RATE_HZ:
            voice, rate_hz = soundfile.read(drawn.choice(voices), dtype="float32")
            assert rate_hz == RATE_HZ, rate_hz
            pause = np.zeros(round(drawn.uniform(*_PAUSE_S) * RATE_HZ), dtype=np.float32)
            both = np.concatenate([pause, voice])
            file.write(both + noise.normal(0, _NOISE, len(both)))


def measure(recording: Path, *, model: str, out: Path) -> Measured:
    """Listen in this process."""
    predictor, request = open_model(model), ListenRequest(recording, model, out, "python -m benchmarks.listen")
    started = process_time()
    results, page = listen(request, predictor=predictor)
    return Measured(
        minutes=results.duration_s / 60,
        segments=len(results.segments),
        real_time_factor=results.speed.real_time_factor,
        cpu_factor=(process_time() - started) / results.duration_s,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        page_mb=page.stat().st_size / 1e6,
    )


def in_own_process(minutes: float, *, voices: Sequence[Path], model: str) -> Measured:
    """Make a recording of this length, and listen to it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.wav"
        record(recording, voices=voices, minutes=minutes)
        command = [sys.executable, "-m", "benchmarks.listen", "--model", model, "--recording", str(recording)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(**json.loads(said.splitlines()[-1]))


def table(measured: Sequence[Measured]) -> str:
    """Return one line per length, and the ratios of the last to the first."""
    head = f"{'minutes':>8} {'segments':>9} {'real-time factor':>17} {'CPU':>7} {'peak MB':>8} {'page MB':>8}"
    lines = [
        f"{each.minutes:8.1f} {each.segments:9d} {each.real_time_factor:17.4f} {each.cpu_factor:7.4f} "
        f"{each.peak_mb:8.0f} {each.page_mb:8.1f}"
        for each in measured
    ]
    first, last = measured[0], measured[-1]
    ratios = (
        f"{last.minutes / first.minutes:.1f} times the length: {last.peak_mb / first.peak_mb:.2f} times the memory, "
        f"{last.real_time_factor / first.real_time_factor:.2f} times the real-time factor, "
        f"{last.cpu_factor / first.cpu_factor:.2f} times the processor time per second"
    )
    return "\n".join([head, *lines, ratios])


def main() -> None:
    """Run the benchmark, or one length of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="location of a model, as merflow listen takes it")
    parser.add_argument("--voices", type=Path, help="folder with WAV files of 16 kHz mono")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--recording", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.recording is not None:
        out = options.recording.with_suffix("")
        print(json.dumps(asdict(measure(options.recording, model=options.model, out=out))))
        return
    if options.voices is None:
        parser.error("name a folder of recordings: --voices")
    voices = sorted(path for path in options.voices.rglob("*.wav") if not path.name.startswith("."))
    if not voices:
        parser.error(f"{options.voices} contains no WAV file")
    print(table([in_own_process(minutes, voices=voices, model=options.model) for minutes in options.minutes]))


if __name__ == "__main__":
    main()
