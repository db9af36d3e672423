"""Files of one video in the format of CMU-MOSEI: transcript, recording and film.

T frames.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from merflow.corpus.synthetic.acting import head_path, looks_of
from merflow.corpus.synthetic.face import PATCH, Look, draw, features, palette, seat
from merflow.corpus.synthetic.mosei_plan import Video
from merflow.corpus.synthetic.planes import Planes, yuv
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.voice import RATE_HZ, Syllable, speak, syllables
from merflow.corpus.synthetic.wav import write_wav

WIDTH, HEIGHT = 256, 192
FRAME_RATE = Fraction(10)
_HEAD_AT = (128, 90)  # centre of the head, x and y, even
_ROOM_DBFS = (-58.0, -48.0)
_QUANTISER = "5"  # from 1 (best) to 31
_CHUNK = 1024  # samples of a frame of AAC


def write_video_files(raw: Path, video: Video, *, seed: int, film: bool) -> None:
    """Write all files of a video below the folder ``Raw``, which has its folders; with ``film``, its MP4 as well."""
    _write_transcript(raw / "Transcript/Segmented/Combined" / f"{video.name}.txt", video, seed=seed)
    spoken: dict[str, list[Syllable]] = {}
    samples = _record(video, spoken, seed=seed)
    write_wav(raw / "Audio/Full/WAV_16000" / f"{video.name}.wav", samples)
    if film:
        pictures = _frames(video, spoken, seed=seed)
        _write_film(raw / "Videos/Full/Combined" / f"{video.name}.mp4", pictures, samples)


def _write_transcript(path: Path, video: Video, *, seed: int) -> None:
    """Write a line per clip, not in the order of their times."""
    order = generator(seed, "mosei lines", video.name).permutation(len(video.clips))
    lines = []
    for clip in (video.clips[index] for index in order):
        start_s, end_s = clip.written_s
        lines.append(f"{video.name}___{clip.number}___{start_s}___{end_s}___{clip.text}\n")
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _record(video: Video, spoken: dict[str, list[Syllable]], *, seed: int) -> np.ndarray:
    """Return the recording, ``(samples,)`` int16, and fill in the syllables of each clip."""
    rng = generator(seed, "mosei room", video.name)
    mix = rng.standard_normal(round(video.duration_s * RATE_HZ), dtype=np.float32)
    mix[1:] += np.float32(0.7) * mix[:-1]  # noise that is darker than white noise
    mix *= np.float32(10 ** (rng.uniform(*_ROOM_DBFS) / 20))
    for clip in video.clips:
        first, stop = round(clip.start_s * RATE_HZ), round(clip.end_s * RATE_HZ)
        of_clip = generator(seed, "mosei sound", clip.utterance_id)
        spoken[clip.utterance_id] = syllables(clip.text, duration_s=(stop - first) / RATE_HZ, rng=of_clip)
        mix[first:stop] += speak(
            spoken[clip.utterance_id],
            samples=stop - first,
            speaker=video.speaker,
            showing=clip.shows["voice"],
            seed=int(of_clip.integers(2**31)),
        )
    return np.asarray(np.clip(np.rint(mix * 32767.0), -32767, 32767), dtype=np.int16)


def _frames(video: Video, spoken: dict[str, list[Syllable]], *, seed: int) -> Iterator[np.ndarray]:
    """Yield ``(3 HEIGHT / 2, WIDTH)`` uint8 frames, see :class:`Planes`; each is valid until the next."""
    person = features(seed, video.person, video.speaker.letter)
    stage = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    wall = generator(seed, "stage", str(video.person)).uniform(60, 150, 3)
    seat(stage, person, within=(slice(0, HEIGHT), slice(0, WIDTH)), at=_HEAD_AT, wall=wall)
    behind = Planes.of(stage)
    times_s = np.arange(int(video.duration_s * FRAME_RATE)) / float(FRAME_RATE)
    looks = looks_of(video.clips, spoken, times_s=times_s, seed=seed)
    path = head_path(looks, rate=float(FRAME_RATE), rng=generator(seed, "motion", video.name))
    colours, frame = yuv(palette(person)), Planes(behind.whole.copy())
    for look, (x, y) in zip(looks, path, strict=True):
        shades = draw(person, Look(*look), at=(PATCH / 2 + x, PATCH / 2 + y), markers=False)
        frame.show(shades, colours, stage=behind, middle=_HEAD_AT)
        yield frame.whole


def _write_film(path: Path, pictures: Iterator[np.ndarray], samples: np.ndarray) -> None:
    """Write the MP4 (MPEG-4 and AAC), the same bytes on every run: with one thread and no metadata."""
    import av

    exact = {"flags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        film = container.add_stream("mpeg4", rate=FRAME_RATE, options=exact | {"qmin": _QUANTISER, "qmax": _QUANTISER})
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        film.codec_context.thread_count = 1
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono", options=exact)
        chunks = _chunks(samples)
        for index, picture in enumerate(pictures):
            due = (index + 1) * RATE_HZ // FRAME_RATE  # sound and picture alternate in the file
            while chunks and chunks[0][0] < due:
                first, values = chunks.pop(0)
                heard = av.AudioFrame.from_ndarray(values[None], format="fltp", layout="mono")
                heard.sample_rate, heard.pts = RATE_HZ, first
                container.mux(sound.encode(heard))
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(film.encode())
        container.mux(sound.encode())


def _chunks(samples: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return the first sample and the float32 values of each whole frame of sound."""
    starts = range(0, len(samples) - _CHUNK + 1, _CHUNK)
    return [(start, samples[start : start + _CHUNK].astype(np.float32) / 32768) for start in starts]
