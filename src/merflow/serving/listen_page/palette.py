"""Colours of emotions, those that people expect where an emotion is known, and of the sides of a scale.

The colours are those of Okabe and Ito and some between, which stay apart for the colour-blind. The page never relies on
colour alone.
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
    """Return the colour of each class, as the page's style names it; beyond ten classes colours repeat."""
    chosen = {name: _KNOWN[name.lower()] for name in classes if name.lower() in _KNOWN}
    free = [colour for colour in COLOURS if colour not in chosen.values()] or list(COLOURS)
    others = [name for name in classes if name not in chosen]
    return chosen | {name: free[number % len(free)] for number, name in enumerate(others)}


def label_colours(model: ListeningModel) -> dict[str, str]:
    """Return the colour of each thing that a model's answer may say: a class, or a side of the scale."""
    return colours(model.classes) if model.scale is None else side_colours(model.scale)


def side_colours(scale: ScoreScale) -> dict[str, str]:
    """Return the colours of the lower and the upper side of a scale, of which the first stands for little or bad."""
    return dict(zip(scale.sides, _SIDES, strict=True))
