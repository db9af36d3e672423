"""Colours of emotions: those that people expect where an emotion is known, and one of its own for any other.

The colours are those of Okabe and Ito and some between, which stay apart for the colour-blind. The page never relies on
colour alone.
"""

from collections.abc import Sequence

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
COLOURS = ("blue", "yellow", "green", "red", "purple", "sky", "pink", "olive", "brown", "slate")


def colours(classes: Sequence[str]) -> dict[str, str]:
    """Return the colour of each class, as the page's style names it; beyond ten classes colours repeat."""
    chosen = {name: _KNOWN[name.lower()] for name in classes if name.lower() in _KNOWN}
    free = [colour for colour in COLOURS if colour not in chosen.values()] or list(COLOURS)
    others = [name for name in classes if name not in chosen]
    return chosen | {name: free[number % len(free)] for number, name in enumerate(others)}
