"""Video of a dialogue: both actors side by side in a letterboxed frame, the one with the markers on the left.

T frames.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from merflow.corpus.synthetic.acting import head_path, looks_of
from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.face import PATCH, Features, Look, draw, features, palette, seat
from merflow.corpus.synthetic.planes import Planes, yuv
from merflow.corpus.synthetic.recording import Recording
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import Size
from merflow.corpus.synthetic.voice import RATE_HZ
from merflow.errors import OutputError

WIDTH, HEIGHT = 720, 480
_BAND = slice(120, 360)  # rows of the picture; the rest is black
_HALF = WIDTH // 2
_FACE_AT = {"left": (180, 186), "right": (566, 190)}  # centre of the head, x and y in the frame, even
_SHORT_SHARE = 0.15  # share of the videos that end before the last turn does


class Format(NamedTuple):
    """Format of a video.

    Attributes:
        quantiser: From 1 (best) to 31.
        decimation: Factor by which the audio is decimated.
    """

    frame_rate: Fraction
    quantiser: int
    decimation: int


FORMATS: dict[Size, Format] = {
    "tiny": Format(Fraction(30000, 1001), 5, 1),
    "demo": Format(Fraction(30000, 3003), 5, 1),
    "small": Format(Fraction(30000, 3003), 5, 1),
    "full": Format(Fraction(30000, 6006), 10, 2),
}
"""``tiny`` has the real release's frame rate.

``demo`` and ``small`` have every third frame: enough to see an expression and a mouth that moves, for a third of the
time to draw, extract and train on them. ``full`` has every sixth, and 8 kHz sound.
"""


def write_video(path: Path, dialogue: Dialogue, recording: Recording, *, layout: Format, seed: int) -> None:
    """Write the AVI (MPEG-4 and PCM) frame by frame."""
    import av

    length_s = _length_s(dialogue, seed)
    rate_hz = RATE_HZ // layout.decimation
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="avi", options={"fflags": "+bitexact"}) as container:
        # One thread and no metadata: the same bytes on every run.
        quantiser = str(layout.quantiser)
        options = {"flags": "+bitexact", "qmin": quantiser, "qmax": quantiser}
        video = container.add_stream("mpeg4", rate=layout.frame_rate, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1
        audio = container.add_stream("pcm_s16le", rate=rate_hz, layout="mono")
        second = 0
        for index, picture in enumerate(_frames(dialogue, recording, length_s, layout.frame_rate, seed)):
            if index >= second * layout.frame_rate:
                samples = _second(recording, second, length_s, layout.decimation)
                sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
                sound.sample_rate, sound.pts = rate_hz, second * rate_hz
                container.mux(audio.encode(sound))
                second += 1
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(video.encode())
        container.mux(audio.encode())


def require_video() -> None:
    """Raise early if the video library is missing.

    Raises:
        OutputError: PyAV is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError:
        raise OutputError("writing video needs PyAV; install merflow[video], or leave the video out") from None


def _length_s(dialogue: Dialogue, seed: int) -> float:
    last_s = max(turn.end_s for turn in dialogue.turns)
    short = generator(seed, "video", str(dialogue.name)).uniform() < _SHORT_SHARE
    return last_s - 0.25 if short else dialogue.duration_s


def _second(recording: Recording, start_s: int, length_s: float, decimation: int) -> np.ndarray:
    """Return ``(1, samples)`` int16 of the audio from this second to the next, or to the end."""
    samples = round(min(1.0, length_s - start_s) * RATE_HZ)
    return np.ascontiguousarray(recording.cut(start_s * RATE_HZ, samples)[None, ::decimation])


def _frames(
    dialogue: Dialogue, recording: Recording, length_s: float, rate: Fraction, seed: int
) -> Iterator[np.ndarray]:
    """Yield ``(3 HEIGHT / 2, WIDTH)`` uint8 frames, see :class:`Planes`; each is valid until the next."""
    name = dialogue.name
    times_s = np.arange(int(length_s * rate)) / float(rate)
    sides = {"left": name.recording, "right": "M" if name.recording == "F" else "F"}
    people = {letter: features(seed, name.session, letter) for letter in dialogue.actors}
    stage = Planes.of(_stage(seed, name.session, {side: people[letter] for side, letter in sides.items()}))
    colours = {letter: yuv(palette(person)) for letter, person in people.items()}
    turns = {letter: [turn for turn in dialogue.turns if turn.letter == letter] for letter in people}
    looks = {letter: looks_of(turns[letter], recording.spoken, times_s=times_s, seed=seed) for letter in people}
    paths = {
        letter: head_path(looks[letter], rate=float(rate), rng=generator(seed, "motion", str(name), letter))
        for letter in people
    }
    frame = Planes(stage.whole.copy())
    for index in range(len(times_s)):
        for side, letter in sides.items():
            shades = draw(
                people[letter],
                Look(*looks[letter][index]),
                at=(PATCH / 2 + paths[letter][index, 0], PATCH / 2 + paths[letter][index, 1]),
                markers=side == "left",
            )
            frame.show(shades, colours[letter], stage=stage, middle=_FACE_AT[side])
        yield frame.whole


def _stage(seed: int, session: int, people: dict[str, Features]) -> np.ndarray:
    """Draw the frame without heads: black above and below, and a wall and a body in each half."""
    rng = generator(seed, "stage", str(session))
    stage = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    wall = rng.uniform(60, 150, 3)
    for side, person in people.items():
        left = 0 if side == "left" else _HALF
        light = wall * (0.92 if side == "left" else 1.0)  # the two cameras differ a little
        seat(stage, person, within=(_BAND, slice(left + 4, left + _HALF - 4)), at=_FACE_AT[side], wall=light)
    return stage
