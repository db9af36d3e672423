"""Baselines: predictions that use neither sound nor video nor words."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """Test predictions of one baseline.

    Attributes:
        what: Its rule in one sentence.
        guesses: Test utterance -> predicted class, over all folds. Each prediction depends only on the fold's training
            part.
    """

    what: str
    guesses: Mapping[str, str]
