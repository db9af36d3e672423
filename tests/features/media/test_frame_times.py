"""The frames of an utterance: those that its times name, at the rate and the size of its video."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.features.media.dialogue_video import VideoSpan, frame_indices, frame_times, video_rate
from merflow.features.media.frames import half_of
from tests.features.media.read_videos import faults, read

av: Any = pytest.importorskip("av")
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("start_s", [0.0, 0.1, 1.0, 2.3333, 17.0167, 399.9])
def test_six_seconds_at_30_frames_a_second_are_180_frames(start_s: float) -> None:
    span = VideoSpan("u", "left", start_s, start_s + 9.5)
    times = frame_times(span, rate=Fraction(30), max_frames=180, clip_s=6.0)
    assert len(times) == 180
    assert start_s - 1e-6 <= times[0] < start_s + 1 / 30
    assert np.allclose(np.diff(times), 1 / 30)
    ntsc = frame_times(span, rate=NTSC, max_frames=180, clip_s=6.0)
    assert len(ntsc) in (179, 180)
    assert start_s - 1e-6 <= ntsc[0] < ntsc[-1] < start_s + 6


def test_more_frames_than_wanted_are_thinned_evenly_and_fewer_are_all_kept() -> None:
    span = VideoSpan("u", None, 2.0, 8.0)
    assert frame_indices(span, rate=Fraction(10), max_frames=60, clip_s=None).tolist() == list(range(20, 80))
    assert frame_indices(span, rate=Fraction(10), max_frames=6, clip_s=None).tolist() == [25, 35, 45, 55, 65, 75]
    assert frame_indices(span, rate=Fraction(10), max_frames=6, clip_s=1.2).tolist() == [21, 23, 25, 27, 29, 31]
    thinned = np.diff(frame_indices(span, rate=Fraction(10), max_frames=50, clip_s=None))
    assert set(thinned.tolist()) == {1, 2}


def test_an_utterance_between_two_frames_has_the_one_it_begins_in() -> None:
    span = VideoSpan("u", None, 1.01, 1.02)
    assert frame_indices(span, rate=Fraction(30), max_frames=180, clip_s=None).tolist() == [30]


@pytest.mark.parametrize("bidirectional", [0, 2])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 6006)])
def test_times_follow_the_containers_own_rate_after_seeking(tmp_path: Path, rate: Fraction, bidirectional: int) -> None:
    path = tmp_path / "numbered.avi"
    write_numbered(path, frames=120, rate=rate, options={"bf": str(bidirectional), "g": "17"})
    assert video_rate(path) == rate
    for first in (0, 1, 40, 77, 112):
        span = VideoSpan("u", None, float((first - Fraction(1, 4)) / rate) if first else 0.0, float((first + 4) / rate))
        (frames,) = read(path, [span]).values()
        assert np.array_equal(numbers(frames), np.arange(first, first + 4))


def test_halves_scale_with_the_frame(tmp_path: Path) -> None:
    write_numbered(tmp_path / "small.avi", frames=5, rate=Fraction(25), size=(352, 288))
    spans = [VideoSpan("l", "left", 0.0, 0.1), VideoSpan("r", "right", 0.0, 0.1), VideoSpan("w", None, 0.0, 0.1)]
    found = read(tmp_path / "small.avi", spans)
    assert {name: frames.shape for name, frames in found.items()} == {
        "l": (3, 144, 176, 3),
        "r": (3, 144, 176, 3),
        "w": (3, 288, 352, 3),
    }
    assert half_of("right", width=720, height=480) == (360, 120, 360, 240)


def test_a_video_whose_header_promises_far_more_frames_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "short.avi"
    write_numbered(path, frames=50, rate=Fraction(25))
    content = bytearray(path.read_bytes())
    place = content.index(b"vids") + 32  # dwLength of the stream's header
    assert int.from_bytes(content[place : place + 4], "little") == 50
    content[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    found = faults(path, [VideoSpan("in", None, 0.0, 1.0), VideoSpan("out", None, 1.5, 2.5)])
    assert list(found) == ["out"]
    assert "it is truncated: 50 of 100 frames; replace the file" in found["out"]


def write_numbered(
    path: Path, *, frames: int, rate: Fraction, size: tuple[int, int] = (64, 64), options: dict[str, str] | None = None
) -> None:
    """Draw frame k as two grey fields, k // 16 above and k % 16 below, each in steps of 14."""
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"flags": "+qscale", "global_quality": "236"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.options = {**stream.codec_context.options, **(options or {})}
        for index in range(frames):
            picture = np.zeros((size[1], size[0], 3), dtype=np.uint8)
            picture[: size[1] // 2], picture[size[1] // 2 :] = 20 + index // 16 * 14, 20 + index % 16 * 14
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def numbers(frames: np.ndarray) -> np.ndarray:
    middle = frames.shape[1] // 2
    fields = [frames[:, rows].mean(axis=(1, 2, 3)) for rows in (slice(4, middle - 4), slice(middle + 4, -4))]
    high, low = (np.round((field - 20) / 14).astype(int) for field in fields)
    return np.asarray(high * 16 + low)
