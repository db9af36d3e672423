"""The classics by name, in the order in which they are computed: a fusion reads the outcomes of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from merflow.classics.support_vectors import Kernel
from merflow.classics.words import NEIGHBOURS
from merflow.contracts.streams import Modality

# The recordings' functionals: merflow's own, or one of openSMILE's sets.
FunctionalSet = Literal["merflow", "ComParE_2016", "eGeMAPSv02"]


@dataclass(frozen=True)
class WordClassic:
    """TF-IDF with logistic regression or, for scores, with support vector regression.

    ``of_scores`` describes the latter; it is empty if the classic is only for classes, here and below.
    """

    name: str
    description: str
    of_scores: str = ""
    context: bool = False
    leak: bool = False


@dataclass(frozen=True)
class AudioClassic:
    """Functionals with a support vector machine or, for scores, with linear support vector regression.

    With ``cost``, nothing is chosen, and the development part is also used as training data.
    """

    name: str
    description: str
    functionals: FunctionalSet
    kernel: Kernel
    of_scores: str = ""
    cost: float | None = None


@dataclass(frozen=True)
class FusionClassic:
    """The mean of the probabilities or scores of a word classic and an audio classic."""

    name: str
    description: str
    words: str
    of_scores: str = ""


Classic = WordClassic | AudioClassic | FusionClassic

_REGRESSION = "TF-IDF of words and pairs of words, logistic regression with balanced class weights"
_MACHINE = "chosen on development data, balanced class weights"
_FIXED = "linear support vector machine with C = 1, balanced class weights, fitted on training and development data"
_FUSION = "The mean of the calibrated probabilities of {} and of the classic of audio that development data prefer."
_SCORES = "linear support vector regression, C chosen on development data"
_WORDS_TO_SCORES = f"TF-IDF of words and pairs of words, {_SCORES}"
_FUSED_SCORES = "The mean of the scores of {} and of the classic of audio that development data prefer."

WORDS = (
    WordClassic("tfidf", f"{_REGRESSION}.", f"{_WORDS_TO_SCORES}."),
    WordClassic(
        "tfidf-context",
        f"{_REGRESSION}, of the turn with the {NEIGHBOURS} before and the {NEIGHBOURS} after it; development data "
        "choose whether these are joined to the turn or columns of their own.",
        f"{_WORDS_TO_SCORES}, of the turn with the {NEIGHBOURS} before and the {NEIGHBOURS} after it; development data "
        "choose whether these are joined to the turn or columns of their own.",
        context=True,
    ),
    WordClassic(
        "tfidf-unseen-lines",
        "As tfidf, but without the training dialogues that repeat the tested dialogue, and without tested lines.",
        leak=True,
    ),
)
AUDIO = (
    AudioClassic(
        "functionals",
        f"Functionals of the recording, linear support vector machine, C {_MACHINE}.",
        "merflow",
        "linear",
        f"Functionals of the recording, {_SCORES}.",
    ),
    AudioClassic("functionals-c1", f"Functionals of the recording, {_FIXED}.", "merflow", "linear", cost=1.0),
)
OPENSMILE = (
    AudioClassic(
        "compare",
        f"openSMILE's ComParE 2016 functionals, linear support vector machine, C {_MACHINE}.",
        "ComParE_2016",
        "linear",
        f"openSMILE's ComParE 2016 functionals, {_SCORES}.",
    ),
    AudioClassic("compare-c1", f"openSMILE's ComParE 2016 functionals, {_FIXED}.", "ComParE_2016", "linear", cost=1.0),
    AudioClassic(
        "egemaps",
        f"openSMILE's eGeMAPS v02 functionals, radial support vector machine, C and gamma {_MACHINE}.",
        "eGeMAPSv02",
        "rbf",
        f"openSMILE's eGeMAPS v02 functionals, {_SCORES}.",
    ),
)
FUSIONS = (
    FusionClassic("late-fusion", _FUSION.format("tfidf"), "tfidf", _FUSED_SCORES.format("tfidf")),
    FusionClassic(
        "late-fusion-context",
        _FUSION.format("tfidf-context"),
        "tfidf-context",
        _FUSED_SCORES.format("tfidf-context"),
    ),
)


def modalities_of(classic: Classic) -> Sequence[Modality]:
    """Return the modalities that a classic reads."""
    match classic:
        case WordClassic():
            return ("text",)
        case AudioClassic():
            return ("audio",)
        case FusionClassic():
            return ("audio", "text")
