"""The speed of turning a dialogue's video into the frames of its utterances.

One synthetic film of two actors, 720x480 MPEG-4 in AVI like IEMOCAP's, repeated to five minutes, with as many turns as
an IEMOCAP dialogue. One pass over it gives the frames of every turn: the speaker's half as RGB, up to 180 per turn. It
alternates with ffmpeg's own decoding of the same film (on one thread, on as many as it likes, and with the same half
converted to RGB and dropped), PyAV's decoding alone, and the plain method, which opens the film for every turn, seeks,
and converts whole frames. Memory is that of a fresh process, for a film of this length and for a quarter of it.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from statistics import median
from time import perf_counter

import av
import numpy as np

from benchmarks.record import write_result
from merflow.corpus.synthetic.release import synthesize
from merflow.features.media.dialogue_video import VideoSpan, frame_indices, read_dialogue
from merflow.features.media.frames import half_of

FILM_S, TURN_S, ROUNDS, MAX_FRAMES = 300.0, 4.6, 3, 180
RATE = Fraction(30000, 1001)
MISSING = "ffmpeg is not installed: its own decoding is left out"


def write_film(path: Path, source: Path, *, length_s: float) -> None:
    """Write a film's frames over and over without encoding them again."""
    frames = int(length_s * RATE)
    with av.open(str(path), "w", format="avi") as target:
        with av.open(str(source)) as film:
            stream = target.add_stream_from_template(film.streams.video[0])
        index = 0
        while index < frames:
            with av.open(str(source)) as film:
                for packet in film.demux(film.streams.video[0]):
                    if packet.dts is None or index == frames:
                        continue
                    packet.stream, packet.pts, packet.dts = stream, index, index
                    target.mux(packet)
                    index += 1


def turns(*, length_s: float) -> list[VideoSpan]:
    """Return turns end to end, alternating between left and right."""
    count = int(length_s / TURN_S)
    return [
        VideoSpan(f"turn{number}", "left" if number % 2 else "right", number * TURN_S, (number + 1) * TURN_S - 0.1)
        for number in range(count)
    ]


def one_pass(path: Path, spans: list[VideoSpan]) -> int:
    """Read every turn's frames as extraction does, and return their number."""
    count = 0
    for _, frames in read_dialogue(path, spans, max_frames=MAX_FRAMES, clip_s=None):
        assert isinstance(frames, np.ndarray), frames
        count += len(frames)
    return count


def turn_by_turn(path: Path, spans: list[VideoSpan]) -> int:
    """Read every turn's frames by opening the film for it, seeking and converting whole frames."""
    count = 0
    for span in spans:
        wanted = set(frame_indices(span, rate=RATE, max_frames=MAX_FRAMES, clip_s=None).tolist())
        found = []
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            film.seek(int(span.start_s / stream.time_base), stream=stream)
            for frame in film.decode(stream):
                index = round(frame.pts * stream.time_base * RATE)
                if index in wanted:
                    x, y, width, height = half_of(span.side, width=frame.width, height=frame.height)
                    found.append(frame.to_ndarray(format="rgb24")[y : y + height, x : x + width].copy())
                if index >= max(wanted):
                    break
        count += len(np.stack(found))
    return count


def decoding_alone(path: Path, _: list[VideoSpan]) -> int:
    """Decode every frame of the film with PyAV on one thread and drop it."""
    with av.open(str(path)) as film:
        film.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in film.decode(video=0))


def ffmpeg(options: list[str], *, threads: int) -> Callable[[Path, list[VideoSpan]], int]:
    """Decode with the ffmpeg program; 0 threads lets it choose."""

    def run(path: Path, _: list[VideoSpan]) -> int:
        command = ["ffmpeg", "-nostdin", "-threads", str(threads), "-filter_threads", str(threads), "-i", str(path)]
        command += ["-an", *options, "-f", "null", "-"]
        told = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True).stderr
        return int(re.findall(r"frame=\s*(\d+)", told)[-1])

    return run


def peak_mib(path: Path, *, length_s: float) -> float:
    """Return the memory in MiB that one pass needs beyond the libraries, in a fresh process."""
    program = (
        "import re; from pathlib import Path; import benchmarks.video as v\n"
        "hwm = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        f"before = hwm(); v.one_pass(Path({str(path)!r}), v.turns(length_s={length_s})); print(hwm() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure, print ratios and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    ways: dict[str, Callable[[Path, list[VideoSpan]], int]] = {
        "one pass": one_pass,
        "turn by turn": turn_by_turn,
        "PyAV decoding alone": decoding_alone,
    }
    if shutil.which("ffmpeg"):
        ways |= {
            "ffmpeg decoding, one thread": ffmpeg([], threads=1),
            "ffmpeg, a half as RGB, one thread": ffmpeg(["-vf", "crop=360:240:0:120,format=rgb24"], threads=1),
            "ffmpeg decoding": ffmpeg([], threads=0),
        }
    else:
        print(MISSING)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        release = synthesize(folder / "release", size="tiny", video=True)
        source = min(path for path in release.rglob("*.avi") if not path.name.startswith("."))
        long, short = folder / "long.avi", folder / "short.avi"
        write_film(long, source, length_s=FILM_S)
        write_film(short, source, length_s=FILM_S / 4)
        spans = turns(length_s=FILM_S)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        frames = {}
        for _ in range(ROUNDS):
            for way, run in ways.items():
                started = perf_counter()
                frames[way] = run(long, spans)
                seconds[way].append(perf_counter() - started)
        memory = {"long": peak_mib(long, length_s=FILM_S), "short": peak_mib(short, length_s=FILM_S / 4)}
    typical = {way: median(each) for way, each in seconds.items()}
    rows = {
        way: {
            "frames": frames[way],
            "frames_a_second": frames[way] / typical[way],
            "time_of_one_pass": typical[way] / typical["one pass"],
        }
        for way in ways
    }
    for way, row in rows.items():
        print(f"{way:28} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    print(f"peak of one pass beyond the libraries: {memory}")
    write_result("video", {"film_s": FILM_S, "turns": len(spans), "ways": rows, "peak_mib": memory})


if __name__ == "__main__":
    main()
