from collections.abc import Callable

import numpy as np
import pytest

from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Stream, StreamShape
from merflow.errors import FeatureError
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.lite.video import LiteVideo, LiteVideoSettings, edges, motion
from merflow.presets.profiles import shipped_profile

ENCODER = LiteVideo(LiteVideoSettings(rows=5, columns=6, directions=6))


def noise(frames: int, *, height: int = 240, width: int = 360, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def steps(frames: np.ndarray) -> np.ndarray:
    (array,) = ENCODER.encode([ENCODER.prepare(frames)])
    return array


def test_the_lite_profile_has_one_step_a_frame() -> None:
    stream = Stream("video", clip_s=6.0)
    encoder = build_encoder(spec_of(stream, shipped_profile("lite").roles), stream)
    prepared = encoder.prepare(noise(7))
    (array,) = encoder.encode([prepared])
    assert encoder.shape == StreamShape(layers=None, width=5 * 6 * 7 + 24)
    assert array.shape == (7, 234)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()
    assert prepared.cost == 7


def test_long_utterances_are_as_their_parts() -> None:
    """Check the borders of chunks: a chunk's first difference is to the last frame of the previous one."""
    frames = noise(150, height=48, width=64)
    whole = steps(frames)
    assert np.array_equal(whole[:10], steps(frames[:10]))
    assert np.array_equal(whole[60:150], steps(frames[59:150])[1:])


def test_frames_of_other_sizes_have_the_same_width() -> None:
    for height, width in ((32, 32), (144, 176), (480, 640), (241, 359)):
        assert steps(noise(3, height=height, width=width)).shape == (3, 234)
    with pytest.raises(FeatureError, match="frames have 16 x 360 pixels, expected at least 32 x 32"):
        ENCODER.prepare(noise(3, height=16))


def test_a_still_picture_does_not_move_and_a_moving_part_is_found() -> None:
    frames = np.repeat(noise(1), 4, axis=0)
    assert (steps(frames)[:, 5 * 6 * 6 :] == 0).all()
    frames[2, 0:24, 90:120] = 255 - frames[2, 0:24, 90:120]  # upper left cell of the head's window
    moved = steps(frames)[:, 5 * 6 * 6 : 5 * 6 * 7].reshape(4, 5, 6)
    assert (moved[[0, 1]] == 0).all()
    assert (moved[2:, 0, 0] > 3).all()
    assert (np.delete(moved[2:].reshape(2, 30), 0, axis=1) == 0).all()


@pytest.mark.parametrize("turn", range(6))
def test_edges_are_counted_under_their_direction(turn: int) -> None:
    angle = np.pi * turn / 6
    rows, columns = np.mgrid[:60, :90]
    wave = np.sin(0.35 * (columns * np.cos(angle) + rows * np.sin(angle)))
    grey = np.round(127 + 100 * wave).astype(np.uint8)[None]
    histograms = edges(grey, grid=(5, 6), directions=6).reshape(5, 6, 6)
    assert (histograms.argmax(axis=2) == turn).all()


def slow_edges(grey: np.ndarray, *, rows: int, columns: int, directions: int) -> np.ndarray:
    """Compute the edges of one frame, pixel by pixel."""
    height, width = grey.shape[0] - 2, grey.shape[1] - 2
    counts = np.zeros((rows, columns, directions))
    for y in range(height):
        for x in range(width):
            across = float(grey[y + 1, x + 2]) - float(grey[y + 1, x])
            down = float(grey[y + 2, x + 1]) - float(grey[y, x + 1])
            turn = (np.arctan2(down, across) / np.pi * directions) % directions
            share = turn - np.floor(turn)
            cell = counts[y * rows // height, x * columns // width]
            cell[int(turn) % directions] += np.hypot(across, down) * (1 - share)
            cell[(int(turn) + 1) % directions] += np.hypot(across, down) * share
    result = np.zeros_like(counts)
    for row in range(rows):
        for column in range(columns):
            near = [
                counts[min(max(row + i, 0), rows - 1), min(max(column + j, 0), columns - 1)].sum()
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ]
            result[row, column] = np.sqrt(
                counts[row, column] / (np.mean(near) + 4.0 * height * width / (rows * columns))
            )
    return result


@pytest.mark.parametrize("draw", [lambda rng: rng.integers(0, 256, (23, 31)), lambda rng: rng.integers(0, 9, (23, 31))])
def test_edges_equal_a_slow_loop(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    grey = draw(np.random.default_rng(1)).astype(np.uint8)
    fast = edges(grey[None], grid=(3, 4), directions=5)[0]
    assert np.allclose(fast, slow_edges(grey, rows=3, columns=4, directions=5).ravel(), atol=1e-6)


def test_motion_is_the_mean_change_of_a_cell() -> None:
    grey = np.zeros((3, 4, 6), dtype=np.uint8)
    grey[1, :2, :3] = 100
    found = motion(grey, grid=(2, 2))
    assert found.tolist() == [[0, 0, 0, 0], [10, 0, 0, 0], [10, 0, 0, 0]]
