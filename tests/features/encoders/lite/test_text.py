import os
import subprocess
import sys

import numpy as np
import pytest

from merflow.features.encoders.lite.text import (
    LiteText,
    LiteTextLayers,
    LiteTextLayersSettings,
    LiteTextSettings,
    word_vectors,
    words,
)


def _layers(*, width: int, reach: int) -> LiteTextLayersSettings:
    return LiteTextLayersSettings(width=width, layers=3, reach=reach)


def test_words_are_lower_case_with_their_marks() -> None:
    assert words("Don't you DARE?! Well... nö, [LAUGHTER]") == [
        *("don't", "you", "dare", "?", "!", "well", "...", "nö", "laughter")
    ]


@pytest.mark.parametrize("text", ["", " ", ", -", "\n"])
def test_a_text_without_words_has_no_step(text: str) -> None:
    plain, layered = LiteText(LiteTextSettings(width=32)), LiteTextLayers(_layers(width=32, reach=1))
    (array,) = plain.encode([plain.prepare(text)])
    assert array.shape == (0, 32)
    (layers,) = layered.encode([layered.prepare(text)])
    assert layers.shape == (0, 3, 32)


def test_a_word_is_the_same_wherever_it_stands_and_related_words_are_near() -> None:
    vectors = word_vectors("angry angrily table angry", width=512)
    assert np.array_equal(vectors[0], vectors[3])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05
    assert abs(vectors[0] @ vectors[2]) < 0.2


def test_layers_average_ever_more_neighbours() -> None:
    text = "one two three four five six"
    plain = word_vectors(text, width=64)
    encoder = LiteTextLayers(_layers(width=64, reach=2))
    (layers,) = encoder.encode([encoder.prepare(text)])
    assert layers.shape == (6, 3, 64)
    assert np.array_equal(layers[:, 0], plain)
    for step in range(6):
        for layer, reach in ((1, 2), (2, 4)):
            slow = plain[max(0, step - reach) : step + reach + 1].mean(axis=0)
            assert layers[step, layer] == pytest.approx(slow, abs=1e-6)


def test_vectors_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    program = (
        "from merflow.features.encoders.lite.text import word_vectors\n"
        "print(word_vectors('What on earth is that?', width=128).tobytes().hex())\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    ).stdout.strip()
    assert bytes.fromhex(there) == word_vectors("What on earth is that?", width=128).tobytes()
