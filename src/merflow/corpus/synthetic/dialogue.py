"""Plan of a dialogue: who says what, when and how, before any file is written."""

from dataclasses import dataclass

from merflow.corpus.synthetic.census import DialogueName
from merflow.corpus.synthetic.expression import Actor, Modality, Showing


@dataclass(frozen=True)
class Turn:
    """One utterance.

    Attributes:
        letter: Letter of the actor who speaks.
        code: Raw label.
        start_s: Start in the dialogue, to four decimals as in the label file, like ``end_s``.
        first_sample: First sample of the cut from the recording of the dialogue.
        samples: Length of the cut.
        shows: Emotions that voice, words and face show.
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
    """A transcript line without a label or a recording.

    Attributes:
        name: An id with ``XX``, or only the letter of the speaker.
        after: Number of turns before it.
        span_s: Start and end; None for a line with only a letter.
    """

    name: str
    after: int
    span_s: tuple[float, float] | None
    text: str


@dataclass(frozen=True)
class Dialogue:
    """One recording of two actors, with its turns by time."""

    name: DialogueName
    turns: tuple[Turn, ...]
    extra_lines: tuple[ExtraLine, ...]
    actors: dict[str, Actor]
    duration_s: float
