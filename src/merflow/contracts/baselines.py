"""What stands below every model: predictions made without hearing, seeing or understanding anybody."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """One baseline's test predictions.

    Attributes:
        what: It predicts from, in one sentence.
        guesses: Test utterance -> class, over all folds; each was made from the fold's training part alone.
    """

    what: str
    guesses: Mapping[str, str]
