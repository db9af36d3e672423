"""A dialogue on paper: what is said by whom, when and how, before any file is written."""

from dataclasses import dataclass

from merflow.corpus.synthetic.census import DialogueName
from merflow.corpus.synthetic.expression import Actor, Modality, Showing


@dataclass(frozen=True)
class Turn:
    """One utterance.

    Attributes:
        letter: Of the actor who speaks.
        code: Its raw label.
        start_s: In the dialogue, to four decimals as in the label file; so is ``end_s``.
        first_sample: Of the cut from the dialogue's recording.
        samples: Length of the cut.
        shows: What voice, words and face show.
    """

    utterance_id: str
    letter: str
    code: str
    start_s: float
    end_s: float
    first_sample: int
    samples: int
    text: str
    shows: dict[Modality, Showing]


@dataclass(frozen=True)
class ExtraLine:
    """A transcript line without label and recording.

    Attributes:
        name: An id with ``XX``, or just the speaker's letter.
        after: Number of turns, in order of time, before it.
        span_s: Start and end; None for a line with a letter only.
    """

    name: str
    after: int
    span_s: tuple[float, float] | None
    text: str


@dataclass(frozen=True)
class Dialogue:
    """One recording of two actors, its turns in order of time."""

    name: DialogueName
    turns: tuple[Turn, ...]
    extra_lines: tuple[ExtraLine, ...]
    actors: dict[str, Actor]
    duration_s: float
