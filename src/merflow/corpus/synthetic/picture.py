"""Video of a dialogue: both actors side by side in a letterboxed frame, the one with the markers on the left.

Frames are drawn in the format of the encoder, with separate brightness and subsampled colour (YUV 4:2:0). To convert a
frame from RGB would take several times as long as to draw and encode it.

T frames.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

from merflow.corpus.synthetic.dialogue import Dialogue
from merflow.corpus.synthetic.face import LISTENING, PATCH, Features, Look, draw, features, look, palette
from merflow.corpus.synthetic.recording import Recording
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import Size
from merflow.corpus.synthetic.voice import RATE_HZ
from merflow.errors import OutputError

WIDTH, HEIGHT = 720, 480
_BAND = slice(120, 360)  # rows of the picture; the rest is black
_HALF = WIDTH // 2
_FACE_AT = {"left": (180, 186), "right": (566, 190)}  # centre of the head, x and y in the frame, even
_YUV_OF_RGB = np.array([[65.481, -37.797, 112.0], [128.553, -74.203, -93.786], [24.966, 112.0, -18.214]]) / 255
_YUV_OF_BLACK = np.array([16.0, 128.0, 128.0])
_MOUTH_PX = 4.5  # half the height of a normally open mouth
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
    """Yield ``(3 HEIGHT / 2, WIDTH)`` uint8 frames, see :class:`_Planes`; each is valid until the next."""
    name = dialogue.name
    times_s = np.arange(int(length_s * rate)) / float(rate)
    sides = {"left": name.recording, "right": "M" if name.recording == "F" else "F"}
    people = {letter: features(seed, name.session, letter) for letter in dialogue.actors}
    stage = _Planes.of(_stage(seed, name.session, {side: people[letter] for side, letter in sides.items()}))
    colours = {letter: _yuv(palette(person)) for letter, person in people.items()}
    looks = {letter: _looks(dialogue, recording, letter, times_s, seed) for letter in people}
    paths = {letter: _head_path(looks[letter], float(rate), name, letter, seed) for letter in people}
    frame = _Planes(stage.whole.copy())
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


class _Planes:
    """A frame in YUV 4:2:0.

    Args:
        whole: ``(3 HEIGHT / 2, WIDTH)`` uint8: the brightness of all pixels, then both colours of every other pixel of
            every other row, end to end.
    """

    def __init__(self, whole: np.ndarray) -> None:
        self.whole = whole
        pixels, halves = whole.reshape(-1), (HEIGHT // 2, WIDTH // 2)
        first, second = HEIGHT * WIDTH, HEIGHT * WIDTH * 5 // 4
        # By the distance between the pixels of a plane.
        self._planes = (
            (1, pixels[:first].reshape(HEIGHT, WIDTH)),
            (2, pixels[first:second].reshape(halves)),
            (2, pixels[second:].reshape(halves)),
        )

    @classmethod
    def of(cls, picture: np.ndarray) -> "_Planes":
        """Convert ``(HEIGHT, WIDTH, 3)`` uint8 RGB into planes."""
        planes = cls(np.empty((HEIGHT * 3 // 2, WIDTH), dtype=np.uint8))
        values = _yuv(picture)
        for channel, (step, plane) in enumerate(planes._planes):
            plane[:] = values[::step, ::step, channel]
        return planes

    def show(self, shades: np.ndarray, colours: np.ndarray, *, stage: "_Planes", middle: tuple[int, int]) -> None:
        """Draw a head in front of the stage.

        Args:
            shades: ``(PATCH, PATCH)``, see :func:`~merflow.corpus.synthetic.face.draw`.
            colours: YUV colours of the shades, ``(7, 3)``.
            stage: The background.
            middle: Centre of the patch in the frame, x and y, even.
        """
        for channel, ((step, plane), (_, behind)) in enumerate(zip(self._planes, stage._planes, strict=True)):
            left, top = ((position - PATCH // 2) // step for position in middle)
            window = (slice(top, top + PATCH // step), slice(left, left + PATCH // step))
            head = shades[::step, ::step]
            plane[window] = np.where(head > 0, colours[head, channel], behind[window])


def _yuv(colours: np.ndarray) -> np.ndarray:
    """Convert ``(..., 3)`` uint8 RGB into limited-range YUV (ITU-R BT.601), uint8."""
    return np.asarray(np.rint(colours @ _YUV_OF_RGB + _YUV_OF_BLACK), dtype=np.uint8)


def _stage(seed: int, session: int, people: dict[str, Features]) -> np.ndarray:
    """Draw the frame without heads: black above and below, and a wall and a body in each half."""
    rng = generator(seed, "stage", str(session))
    stage = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    shade = np.linspace(1.0, 0.75, _BAND.stop - _BAND.start)[:, None, None]
    wall = rng.uniform(60, 150, 3)
    for side, person in people.items():
        left = 0 if side == "left" else _HALF
        light = wall * (0.92 if side == "left" else 1.0)  # the two cameras differ a little
        stage[_BAND, left + 4 : left + _HALF - 4] = (shade * light).astype(np.uint8)
        x, y = _FACE_AT[side]
        rows, columns = np.mgrid[_BAND, left + 4 : left + _HALF - 4]
        body = ((columns - x) / 78.0) ** 2 + ((rows - y - 150) / 100.0) ** 2 < 1
        stage[rows[body], columns[body]] = person.shirt
        neck = (np.abs(columns - x) < 13) & (rows > y) & (rows < y + 66)
        stage[rows[neck], columns[neck]] = tuple(0.9 * c for c in person.skin)
    return stage


def _looks(dialogue: Dialogue, recording: Recording, letter: str, times_s: np.ndarray, seed: int) -> np.ndarray:
    """Return the fields of :class:`Look` by frame, ``(T, 6)``; the mouth opens with the syllables, in pixels."""
    looks = np.tile(np.array(LISTENING), (len(times_s), 1))
    opening = np.zeros(len(times_s))
    for turn in dialogue.turns:
        if turn.letter != letter:
            continue
        shown = look(turn.shows["face"], generator(seed, "look", turn.utterance_id))
        looks[(times_s >= turn.start_s) & (times_s < turn.end_s)] = shown
        for syllable in recording.spoken[turn.utterance_id]:
            first, last = np.searchsorted(times_s, [turn.start_s + syllable.start_s, turn.start_s + syllable.end_s])
            opening[first:last] = _MOUTH_PX * shown.mouth_open
    looks[:, Look._fields.index("mouth_open")] = opening
    return np.asarray(uniform_filter1d(looks, size=3, axis=0))


def _head_path(looks: np.ndarray, rate: float, name: object, letter: str, seed: int) -> np.ndarray:
    """Return the offset of the head, ``(T, 2)`` pixels: a slow drift, and faster motion according to the look."""
    rng = generator(seed, "motion", str(name), letter)
    slow = uniform_filter1d(rng.standard_normal((len(looks), 2)), size=max(3, int(4 * rate)), axis=0)
    quick = uniform_filter1d(rng.standard_normal((len(looks), 2)), size=max(2, int(0.25 * rate)), axis=0)
    motion = looks[:, Look._fields.index("motion")][:, None]
    path: np.ndarray = np.clip(
        6.0 * np.sqrt(4 * rate) * 0.3 * slow + 3.0 * motion * np.sqrt(0.25 * rate) * quick, -14, 14
    )
    return path
