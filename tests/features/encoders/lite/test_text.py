import os
import subprocess
import sys

import numpy as np
import pytest

from merflow.features.encoders.lite.hashed_words import word_vectors, words
from merflow.features.encoders.lite.text import LiteText, LiteTextLayers, LiteTextLayersSettings, LiteTextSettings


def _layers(*, width: int) -> LiteTextLayersSettings:
    return LiteTextLayersSettings(width=width, layers=2)


def test_words_are_lower_case_with_their_marks() -> None:
    assert words("Don't you DARE?! Well... nö, [LAUGHTER]") == [
        *("don't", "you", "dare", "?", "!", "well", "...", "nö", "laughter")
    ]


@pytest.mark.parametrize("text", ["", " ", ", -", "\n"])
def test_a_text_without_words_has_no_step(text: str) -> None:
    plain, layered = LiteText(LiteTextSettings(width=32)), LiteTextLayers(_layers(width=32))
    (array,) = plain.encode([plain.prepare(text)])
    assert array.shape == (0, 32)
    (layers,) = layered.encode([layered.prepare(text)])
    assert layers.shape == (0, 2, 32)


def test_the_views_are_the_word_the_pair_and_its_parts() -> None:
    vectors = word_vectors("angry angrily table angry", width=1024)
    assert vectors.shape == (4, 3, 1024)
    assert np.linalg.norm(vectors, axis=2) == pytest.approx(np.ones((4, 3)), abs=1e-5)
    word, pair, parts = np.moveaxis(vectors, 1, 0)
    assert np.array_equal(word[0], word[3])
    assert abs(pair[0] @ pair[3]) < 0.15  # the words before it differ
    assert np.array_equal(parts[0], parts[3])
    assert parts[0] @ parts[1] > 0.3
    for view in (word, parts):
        assert abs(view[0] @ view[2]) < 0.15


def test_a_mean_over_words_keeps_the_counts_of_words() -> None:
    text = "no no no never mind the gap between us"
    mean = word_vectors(text, width=1024)[:, 0].mean(axis=0)
    for word, count in (("no", 3), ("gap", 1), ("yes", 0)):
        (sign,) = word_vectors(word, width=1024)[:, 0]
        assert len(words(text)) * float(mean @ sign) == pytest.approx(count, abs=0.5)


def test_layers_are_the_first_views_and_the_plain_encoder_has_their_sum() -> None:
    text = "one two three four five six"
    views = word_vectors(text, width=64)
    layered, plain = LiteTextLayers(_layers(width=64)), LiteText(LiteTextSettings(width=64))
    (layers,) = layered.encode([layered.prepare(text)])
    assert np.array_equal(layers, views[:, :2])
    (together,) = plain.encode([plain.prepare(text)])
    assert together == pytest.approx(views.sum(axis=1) / 3**0.5, abs=1e-6)


def test_vectors_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    program = (
        "from merflow.features.encoders.lite.hashed_words import word_vectors\n"
        "print(word_vectors('What on earth is that?', width=1032).tobytes().hex())\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    ).stdout.strip()
    assert bytes.fromhex(there) == word_vectors("What on earth is that?", width=1032).tobytes()
