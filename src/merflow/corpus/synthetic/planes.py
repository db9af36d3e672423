"""Frames in the format of the encoder, with separate brightness and subsampled colour (YUV 4:2:0).

To convert a frame from RGB would take several times as long as to draw and encode it. H and W are even.
"""

import numpy as np

from merflow.corpus.synthetic.face import PATCH

_YUV_OF_RGB = np.array([[65.481, -37.797, 112.0], [128.553, -74.203, -93.786], [24.966, 112.0, -18.214]]) / 255
_YUV_OF_BLACK = np.array([16.0, 128.0, 128.0])


class Planes:
    """A frame in YUV 4:2:0.

    Args:
        whole: ``(3 H / 2, W)`` uint8: the brightness of all pixels, then both colours of every other pixel of every
            other row, end to end.
    """

    def __init__(self, whole: np.ndarray) -> None:
        self.whole = whole
        height, width = whole.shape[0] * 2 // 3, whole.shape[1]
        pixels, halves = whole.reshape(-1), (height // 2, width // 2)
        first, second = height * width, height * width * 5 // 4
        # By the distance between the pixels of a plane.
        self._planes = (
            (1, pixels[:first].reshape(height, width)),
            (2, pixels[first:second].reshape(halves)),
            (2, pixels[second:].reshape(halves)),
        )

    @classmethod
    def of(cls, picture: np.ndarray) -> "Planes":
        """Convert ``(H, W, 3)`` uint8 RGB into planes."""
        height, width, _ = picture.shape
        planes = cls(np.empty((height * 3 // 2, width), dtype=np.uint8))
        values = yuv(picture)
        for channel, (step, plane) in enumerate(planes._planes):
            plane[:] = values[::step, ::step, channel]
        return planes

    def show(self, shades: np.ndarray, colours: np.ndarray, *, stage: "Planes", middle: tuple[int, int]) -> None:
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


def yuv(colours: np.ndarray) -> np.ndarray:
    """Convert ``(..., 3)`` uint8 RGB into limited-range YUV (ITU-R BT.601), uint8."""
    return np.asarray(np.rint(colours @ _YUV_OF_RGB + _YUV_OF_BLACK), dtype=np.uint8)
