"""Plan of a table corpus: ten speakers who each read the same sentences in every emotion.

The words say nothing about the emotion, as in the corpus that this one resembles, the Berlin Database of Emotional
Speech: only the voice shows it.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from merflow.contracts.taxonomy import RAW_LABELS
from merflow.corpus.synthetic.expression import Actor, Showing, actor, showing
from merflow.corpus.synthetic.seeds import generator
from merflow.corpus.synthetic.sizes import TableSize
from merflow.corpus.synthetic.voice import pace
from merflow.corpus.synthetic.words import count_words

_SENTENCES = (
    "The keys are on the kitchen table.",
    "She will bring the letter on Friday.",
    "In seven hours it will be morning.",
    "The blue coat hangs behind the door.",
    "They carried the boxes up the stairs and down again.",
    "We always put it next to the lamp.",
    "He is going to the station with Anna.",
    "The train to the coast leaves at noon.",
    "I will tell him about it tonight.",
    "The bread is in the bag that stands under the bench.",
)
# Codes of the emotions that are read, with their labels. Boredom has none of its own in any taxonomy of merflow's.
_LABELS = {"bor": "other"} | {code: RAW_LABELS[code] for code in ("ang", "dis", "fea", "hap", "neu", "sad")}
_READ: dict[TableSize, int] = {"tiny": 2, "small": 5, "full": len(_SENTENCES)}  # sentences
_SESSIONS = range(1, 6)
_FIRST_PERSON = 1001  # number of the first session's speakers, far above those of other generated corpora
_LENGTH_SPREAD = 0.08  # of a reading, natural logarithm


@dataclass(frozen=True)
class Reading:
    """One sentence, read once.

    Attributes:
        session: Number of the day on which a woman and a man were recorded.
        name: Name of the speaker.
        speaker: The speaker's voice.
        text: The sentence.
        emotion: Label of the table.
        shows: The emotion that the voice shows.
        duration_s: Length of the recording.
    """

    utterance_id: str
    session: int
    name: str
    speaker: Actor
    text: str
    emotion: str
    shows: Showing
    duration_s: float


def plan_readings(size: TableSize, seed: int) -> list[Reading]:
    """Plan all recordings of a table corpus, by speaker, sentence and emotion."""
    readings = []
    for session, letter in product(_SESSIONS, "FM"):
        speaker = actor(seed, _FIRST_PERSON + session, letter)
        name = f"{2 * session - (letter == 'F'):02d}"
        for number, code in product(range(_READ[size]), sorted(_LABELS)):
            utterance_id = f"{name}-{number + 1:02d}-{code}"
            rng = generator(seed, "table reading", utterance_id)
            shows = showing("voice", code, speaker, rng)
            words_per_s = speaker.words_per_s * pace(shows) * float(np.exp(rng.normal(0.0, _LENGTH_SPREAD)))
            readings.append(
                Reading(
                    utterance_id=utterance_id,
                    session=session,
                    name=name,
                    speaker=speaker,
                    text=_SENTENCES[number],
                    emotion=_LABELS[code],
                    shows=shows,
                    duration_s=round(count_words(_SENTENCES[number]) / words_per_s, 3),
                )
            )
    return readings
