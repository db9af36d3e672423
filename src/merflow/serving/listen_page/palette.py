"""Colours of emotions and of the sides of a scale; well-known emotions have the colours that people expect.

The colours are those of Okabe and Ito and some in between, which colour-blind people can tell apart. The page never
relies on colour alone.
"""

from collections.abc import Sequence

from merflow.contracts.heard import ListeningModel, ScoreScale

_KNOWN = {
    **dict.fromkeys(("angry", "anger"), "red"),
    **dict.fromkeys(("happy", "happiness", "joy"), "yellow"),
    **dict.fromkeys(("sad", "sadness"), "blue"),
    "neutral": "green",
    **dict.fromkeys(("fearful", "fear", "anxious", "anxiety"), "purple"),
    **dict.fromkeys(("disgusted", "disgust"), "olive"),
    **dict.fromkeys(("surprised", "surprise"), "sky"),
    **dict.fromkeys(("frustrated", "frustration"), "brown"),
    **dict.fromkeys(("excited", "excitement"), "pink"),
    **dict.fromkeys(("bored", "boredom"), "slate"),
}
_SIDES = ("red", "blue")
COLOURS = ("blue", "yellow", "green", "red", "purple", "sky", "pink", "olive", "brown", "slate")


def colours(classes: Sequence[str]) -> dict[str, str]:
    """Return the colour of each class, as named in the page's style sheet; beyond ten classes, colours repeat."""
    chosen = {name: _KNOWN[name.lower()] for name in classes if name.lower() in _KNOWN}
    free = [colour for colour in COLOURS if colour not in chosen.values()] or list(COLOURS)
    others = [name for name in classes if name not in chosen]
    return chosen | {name: free[number % len(free)] for number, name in enumerate(others)}


def label_colours(model: ListeningModel) -> dict[str, str]:
    """Return the colour of each possible answer of a model: a class, or a side of the scale."""
    return colours(model.classes) if model.scale is None else side_colours(model.scale)


def side_colours(scale: ScoreScale) -> dict[str, str]:
    """Return the colours of the lower and the upper side of a scale; the lower side means little or bad."""
    return dict(zip(scale.sides, _SIDES, strict=True))
