"""Colours of emotions."""

from merflow.serving.listen_page.palette import COLOURS, colours


def test_known_emotions_have_the_colours_that_people_expect() -> None:
    assert colours(("angry", "happy", "neutral", "sad")) == {
        "angry": "red",
        "happy": "yellow",
        "neutral": "green",
        "sad": "blue",
    }


def test_every_class_has_a_colour_of_its_own_up_to_ten() -> None:
    classes = ("sad", "Anger", *(f"c{number}" for number in range(8)))
    found = colours(classes)
    assert set(found) == set(classes)
    assert sorted(found.values()) == sorted(COLOURS)
    assert len(colours(tuple(f"c{number}" for number in range(23)))) == 23
