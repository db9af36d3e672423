"""Drawing of a head that looks angry, happy, sad or otherwise, and moves its mouth when it speaks."""

from typing import NamedTuple

import numpy as np

from merflow.corpus.synthetic.expression import Showing
from merflow.corpus.synthetic.seeds import generator

PATCH = 128
"""Width and height of the picture of a head, pixels."""


class Look(NamedTuple):
    """An expression.

    Attributes:
        brow_turn: Inner ends of the brows down (positive, anger) or up (negative, grief), slope.
        brow_raise: Pixels by which the brows are raised.
        mouth_curve: Smile (positive) or frown (negative), as a share of the maximum.
        mouth_open: Opening of the speaking mouth; 1 is normal.
        eye_open: Opening of the eyes; 1 is normal.
        motion: Amount of head motion; 1 is normal.
    """

    brow_turn: float
    brow_raise: float
    mouth_curve: float
    mouth_open: float
    eye_open: float
    motion: float


LISTENING = Look(0.0, 0.0, 0.0, 0.0, 1.0, 0.3)
_LOOKS: dict[str, Look] = {
    "ang": Look(0.36, -2.0, -0.55, 1.25, 0.80, 1.4),
    "dis": Look(0.15, -1.0, -0.70, 0.60, 0.65, 0.7),
    "exc": Look(0.00, 3.0, 0.95, 1.50, 1.20, 1.8),
    "fea": Look(-0.25, 3.0, -0.35, 0.80, 1.40, 1.0),
    "fru": Look(0.22, -1.0, -0.45, 0.90, 0.90, 1.0),
    "hap": Look(0.00, 1.0, 0.85, 1.00, 0.75, 1.1),
    "neu": Look(0.00, 0.0, 0.00, 0.80, 1.00, 0.6),
    "oth": Look(0.00, 1.0, 0.10, 0.80, 1.05, 0.8),
    "sad": Look(-0.36, 0.5, -0.75, 0.50, 0.60, 0.35),
    "sur": Look(0.00, 5.0, 0.05, 1.60, 1.50, 1.2),
}
_SCATTER = Look(0.19, 1.8, 0.45, 0.25, 0.18, 0.30)

Colour = tuple[float, float, float]


class Features(NamedTuple):
    """Features of an actor's face: colours as RGB 0..255, sizes in pixels."""

    skin: Colour
    hair: Colour
    shirt: Colour
    width: float
    height: float
    long_hair: bool
    brow_turn: float
    mouth_curve: float


def features(seed: int, session: int, letter: str) -> Features:
    """Draw the features of the session's actor with this letter."""
    rng = generator(seed, "face", f"{session}{letter}")
    tone = rng.uniform(0.62, 1.0)
    return Features(
        skin=(236 * tone, 188 * tone, 158 * tone),
        hair=_colour(rng.uniform(20, 110), rng.uniform(15, 80), rng.uniform(10, 60)),
        shirt=_colour(*rng.uniform(30, 200, 3)),
        width=float(rng.uniform(29, 34)),
        height=float(rng.uniform(38, 44)),
        long_hair=letter == "F",
        brow_turn=float(rng.normal(0, 0.06)),
        mouth_curve=float(rng.normal(0, 0.12)),
    )


def look(showing: Showing, rng: np.random.Generator) -> Look:
    """Return the expression of one utterance."""
    rest, target = _LOOKS["neu"], _LOOKS[showing.code]
    drawn = Look(
        *(
            base + (value - base) * showing.strength + spread * float(rng.standard_normal())
            for base, value, spread in zip(rest, target, _SCATTER, strict=True)
        )
    )
    return drawn._replace(mouth_open=max(0.1, drawn.mouth_open), motion=max(0.1, drawn.motion))


def palette(person: Features) -> np.ndarray:
    """Return the ``(7, 3)`` uint8 RGB of the shades; the first is black, for the background."""
    dark_skin = tuple(0.82 * c for c in person.skin)
    colours = [(0, 0, 0), person.hair, person.skin, dark_skin, (240, 240, 240), (35, 25, 20), (120, 30, 35)]
    return np.array(colours, dtype=np.uint8)


def seat(
    picture: np.ndarray, person: Features, *, within: tuple[slice, slice], at: tuple[int, int], wall: np.ndarray
) -> None:
    """Draw a wall and the body of a person in front of it, without the head.

    Args:
        picture: ``(H, W, 3)`` uint8 RGB, which is changed.
        person: The actor.
        within: Rows and columns of the wall.
        at: Centre of the head in the picture, x and y.
        wall: Colour of the wall at its upper edge, ``(3,)`` RGB.
    """
    band = within[0]
    shade = np.linspace(1.0, 0.75, band.stop - band.start)[:, None, None]
    picture[within] = (shade * wall).astype(np.uint8)
    x, y = at
    rows, columns = np.mgrid[within]
    body = ((columns - x) / 78.0) ** 2 + ((rows - y - 150) / 100.0) ** 2 < 1
    picture[rows[body], columns[body]] = person.shirt
    neck = (np.abs(columns - x) < 13) & (rows > y) & (rows < y + 66)
    picture[rows[neck], columns[neck]] = tuple(0.9 * c for c in person.skin)


def draw(person: Features, face: Look, *, at: tuple[float, float], markers: bool) -> np.ndarray:
    """Draw a head as ``(PATCH, PATCH)`` uint8 shades; 0 is the background.

    Args:
        person: The actor; :func:`palette` has the colours.
        face: The expression; its ``mouth_open`` is in pixels here.
        at: Centre of the head in the patch, x and y.
        markers: True to draw the markers.
    """
    # A row and a column of distances from the centre: squares and absolute values are cheap before broadcasting.
    x, y = (_AXIS - np.float32(at[0]))[None, :], (_AXIS - np.float32(at[1]))[:, None]
    shades = np.zeros((PATCH, PATCH), dtype=np.uint8)
    _draw_head(shades, person, x, y)
    _draw_expression(shades, person, face, x, y)
    if markers:
        _draw_markers(shades, person, face, at)
    return shades


_HAIR, _SKIN, _NOSE, _WHITE, _PUPIL, _MOUTH = range(1, 7)


def _draw_head(shades: np.ndarray, person: Features, x: np.ndarray, y: np.ndarray) -> None:
    w, h = person.width, person.height
    if person.long_hair:
        np.copyto(shades, _HAIR, where=(np.abs(x) < w + 6) & ((y > -h * 0.4) & (y < h * 0.95)))
    np.copyto(shades, _HAIR, where=np.square(x / (w + 5)) + np.square((y + 4) / (h + 5)) < 1)
    np.copyto(shades, _SKIN, where=(np.square(x / w) + np.square(y / h) < 1) & (y > -0.62 * h))
    np.copyto(shades, _NOSE, where=(np.abs(x) < 2.2) & ((y > 0) & (y < 0.22 * h)))


def _draw_expression(shades: np.ndarray, person: Features, face: Look, x: np.ndarray, y: np.ndarray) -> None:
    side = np.abs(x) - np.float32(0.42 * person.width)  # both eyes and brows at once
    eye_y = y + np.float32(0.14 * person.height)
    opening = max(0.8, 4.2 * face.eye_open)
    np.copyto(shades, _WHITE, where=np.square(side / 6.5) + np.square(eye_y / opening) < 1)
    np.copyto(shades, _PUPIL, where=(np.square(side) + np.square(eye_y) < 7) & (np.abs(eye_y) < opening))
    brow_y = eye_y + np.float32(9 + face.brow_raise) + np.float32(face.brow_turn + person.brow_turn) * side
    np.copyto(shades, _HAIR, where=(np.abs(side) < 9) & (np.abs(brow_y) < 1.8))
    bend = np.float32(7.0 * (face.mouth_curve + person.mouth_curve))
    mouth_y = y - np.float32(0.5 * person.height) - bend * (np.float32(0.4) - np.square(x / 14))
    np.copyto(shades, _MOUTH, where=(np.abs(x) < 14) & (np.abs(mouth_y) < 1.6 + max(0.0, face.mouth_open)))


def _draw_markers(shades: np.ndarray, person: Features, face: Look, at: tuple[float, float]) -> None:
    """Draw dots on both halves of the face, none of them within two pixels of the edge of the patch."""
    across, down = np.array(_MARKERS).T
    raised = np.where(down < 0, face.brow_raise, 0.0)  # the markers on the forehead move with the brows
    x = at[0] + np.concatenate([across, -across]) * person.width
    y = at[1] + np.tile(down * person.height - raised, 2)
    columns, rows = np.rint(x)[:, None] + _DOT[0], np.rint(y)[:, None] + _DOT[1]  # (dots, 25)
    inside = np.square(columns - x[:, None]) + np.square(rows - y[:, None]) < 3.2
    shades[rows[inside].astype(np.intp), columns[inside].astype(np.intp)] = _WHITE


_AXIS = np.arange(PATCH, dtype=np.float32)
_MARKERS = ((0.0, -0.5), (0.35, -0.5), (0.6, 0.1), (0.4, 0.3), (0.0, 0.34), (0.5, 0.52), (0.0, 0.82))
_DOT = np.mgrid[-2:3, -2:3].reshape(2, -1).astype(np.float64)  # pixels around the centre of a marker


def _colour(red: float, green: float, blue: float) -> Colour:
    return (float(red), float(green), float(blue))
