"""Text files of an IEMOCAP dialogue: consensus labels (EmoEvaluation) and transcription.

Formats and oddities are those of the 2008 release. Lines end in LF or CRLF. Everything that matters is ASCII, but the
raters' comments contain other bytes, so a file that is not UTF-8 is read as Latin-1.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from merflow.corpus.readers.text_lines import read_lines
from merflow.corpus.transcript import without_tags
from merflow.errors import CorpusError

DIALOGUE_ID = re.compile(r"Ses0(?P<session>[1-5])(?P<wearer>[FM])_(?P<scenario>impro\d\d[ab]?|script\d\d_\d[ab]?)")
UTTERANCE_ID = re.compile(rf"(?P<dialogue>{DIALOGUE_ID.pattern})_(?P<speaker>[FM])\d{{3}}")

_RATING = r"(\d+(?:\.\d+)?|(?i:nan))"
_SUMMARY = re.compile(
    rf"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\S+)\t\[{_RATING}, {_RATING}, {_RATING}\]\s*",
)
_SUMMARY_FORM = "'[start - end]<TAB>utterance<TAB>code<TAB>[valence, activation, dominance]'"
_TRANSCRIBED = re.compile(r"(?P<utterance>Ses\S+)\s+\[\d+\.\d+-\d+\.\d+\]:(?P<text>.*)")
_UNLABELLED_TURN = re.compile(r"[FM]:|Ses0\S+_[FM]XX\d")  # spoken, but without a label or a recording

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turn:
    """One summary line of an EmoEvaluation file.

    Attributes:
        line: Line number in the file, from 1.
        start_s: Start in the recording of the dialogue.
        end_s: End in the recording of the dialogue.
        code: Three-letter label of the majority; ``xxx`` if there is none.
        valence: Mean rating from 1 to 5, like activation and dominance; None if the file says NaN.
    """

    utterance_id: str
    line: int
    start_s: float
    end_s: float
    code: str
    valence: float | None
    activation: float | None
    dominance: float | None


def read_turns(path: Path) -> list[Turn]:
    """Read the turns of an EmoEvaluation file, by start time; the file lists one speaker after the other.

    Raises:
        CorpusError: A summary line is malformed, names another dialogue or repeats an utterance, or there is none.
    """
    turns: dict[str, Turn] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.startswith("["):
            continue
        turn = _parse_summary(line, number=number, path=path)
        if turn.utterance_id in turns:
            first = turns[turn.utterance_id].line
            raise CorpusError(
                f"{path}: utterance {turn.utterance_id} is listed twice, in lines {first} and {number}; remove one"
            )
        turns[turn.utterance_id] = turn
    if not turns:
        raise CorpusError(f"{path} lists no turn: it is empty or cut off; copy it again from the release")
    return sorted(turns.values(), key=lambda turn: (turn.start_s, turn.end_s, turn.utterance_id))


def read_transcripts(path: Path) -> dict[str, str]:
    """Read a transcriptions file: utterance id -> spoken words. Turns without label and recording are skipped.

    Raises:
        CorpusError: Two lines have different words for one utterance.
    """
    texts: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip() or _UNLABELLED_TURN.match(line):
            continue
        match = _TRANSCRIBED.fullmatch(line)
        if match is None or not UTTERANCE_ID.fullmatch(match["utterance"]):
            _log.warning("%s line %d is not a transcript line; it is skipped: %r", path, number, line[:80])
            continue
        words = " ".join(match["text"].split())
        first = texts.setdefault(match["utterance"], words)
        if without_tags(first) != without_tags(words):
            raise CorpusError(
                f"{path} line {number}: a second, different transcript of {match['utterance']}; remove one"
            )
    return texts


def _parse_summary(line: str, *, number: int, path: Path) -> Turn:
    match = _SUMMARY.fullmatch(line)
    if match is None:
        raise CorpusError(f"{path} line {number}: malformed summary line {line[:100]!r}; expected {_SUMMARY_FORM}")
    start, end, utterance, code, *ratings = match.groups()
    identity = UTTERANCE_ID.fullmatch(utterance)
    if identity is None or identity["dialogue"] != path.stem:
        raise CorpusError(
            f"{path} line {number}: {utterance!r} is not an utterance of dialogue {path.stem}; "
            f"expected {path.stem}_F000"
        )
    valence, activation, dominance = (None if value.lower() == "nan" else float(value) for value in ratings)
    return Turn(
        utterance_id=utterance,
        line=number,
        start_s=float(start),
        end_s=float(end),
        code=code,
        valence=valence,
        activation=activation,
        dominance=dominance,
    )
