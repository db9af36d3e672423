"""How far transcripts are from what was said: word and character error rates, counted by jiwer.

Rates are pooled: errors of all utterances over words (characters) of all references, so that a long utterance weighs
more than a short one. Characters include the spaces between words. Texts are normalised first, and what has neither
letter nor digit is no word then: Whisper's normaliser leaves a stop of an ellipsis at the end, with which many
transcripts of acted speech close.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from merflow.corpus.validation.outcome import UNLABELLED

if TYPE_CHECKING:
    from jiwer import CharacterOutput, WordOutput


@dataclass(frozen=True)
class Errors:
    """Counts of one or many utterances; a reference has ``hits + substitutions + deletions`` units."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(*(mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)))

    @property
    def _counts(self) -> tuple[int, int, int, int]:
        return (self.hits, self.substitutions, self.deletions, self.insertions)

    @property
    def wrong(self) -> int:
        """Edits from the reference to the hypothesis."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference(self) -> int:
        """Units of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits per unit of the reference; above 1 where more was inserted than said."""
        return self.wrong / self.reference


@dataclass(frozen=True)
class Heard:
    """One utterance, both texts normalised."""

    utterance_id: str
    session: str
    emotion: str
    reference: str
    hypothesis: str
    words: Errors
    characters: Errors


@dataclass(frozen=True)
class WordErrors:
    """What a comparison found.

    Attributes:
        utterances: Every utterance that was compared.
        without_reference: Utterances without a true transcript; they are left out.
        without_words: Utterances whose true transcript has no word once it is normalised (tags, hesitations); they are
            left out, for a rate over no words is none.
        words_where_none: Words that were heard in those.
        without_hypothesis: Utterances with a true transcript that were not transcribed; they are left out.
        substitutions: (reference word, heard word) -> times.
        deletions: Reference word -> times that it was not heard.
        insertions: Heard word -> times that it was not said.
    """

    utterances: tuple[Heard, ...]
    without_reference: int
    without_words: int
    words_where_none: int
    without_hypothesis: int
    substitutions: Counter[tuple[str, str]]
    deletions: Counter[str]
    insertions: Counter[str]

    def rates(self, by: Callable[[Heard], str]) -> dict[str, dict[str, Any]]:
        """Rates and counts of each group, by the group's name in alphabetical order."""
        groups: dict[str, list[Heard]] = {}
        for heard in self.utterances:
            groups.setdefault(by(heard), []).append(heard)
        return {name: pooled(groups[name]) for name in sorted(groups)}

    def worst(self, number: int) -> list[Heard]:
        """The utterances with most wrong words, the higher rate first among equals."""
        ranked = sorted(self.utterances, key=lambda heard: (-heard.words.wrong, -heard.words.rate, heard.utterance_id))
        return [heard for heard in ranked[:number] if heard.words.wrong]


def word_errors(rows: pd.DataFrame, *, normalize: Callable[[str], str]) -> WordErrors | None:
    """Compares ``asr_transcript`` with ``transcript``; None where no row has a true transcript.

    Args:
        rows: Manifest rows.
        normalize: What is done to both texts first.
    """
    spoken = rows[rows["transcript"].notna()]
    if spoken.empty:
        return None
    both = spoken[spoken["asr_transcript"].notna()]
    references = [_words(normalize(text)) for text in both["transcript"]]
    hypotheses = [_words(normalize(text)) for text in both["asr_transcript"]]
    has_words = [bool(text) for text in references]
    kept = both[has_words]
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0]]
    found = _compare(kept, pairs) if pairs else ((), Counter(), Counter(), Counter())
    return WordErrors(
        utterances=found[0],
        without_reference=len(rows) - len(spoken),
        without_words=len(both) - len(kept),
        words_where_none=sum(len(text.split()) for text, known in zip(hypotheses, has_words, strict=True) if not known),
        without_hypothesis=len(spoken) - len(both),
        substitutions=found[1],
        deletions=found[2],
        insertions=found[3],
    )


def pooled(utterances: Iterable[Heard]) -> dict[str, Any]:
    """WER, CER and the counts behind them, as JSON."""
    heard = list(utterances)
    words = sum((each.words for each in heard), Errors())
    characters = sum((each.characters for each in heard), Errors())
    return {
        "wer": words.rate,
        "cer": characters.rate,
        "utterances": len(heard),
        "exact": sum(not each.words.wrong for each in heard),
        "words": asdict(words),
        "characters": asdict(characters),
    }


def _compare(
    rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]
) -> tuple[tuple[Heard, ...], Counter[tuple[str, str]], Counter[str], Counter[str]]:
    import jiwer

    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    words = jiwer.process_words(references, hypotheses)
    characters = jiwer.process_characters(references, hypotheses)
    substitutions, deletions, insertions = _changes(words)
    emotions = rows["emotion"].astype(object).where(rows["emotion"].notna(), UNLABELLED)
    heard = tuple(
        Heard(*row)
        for row in zip(
            rows["utterance_id"],
            rows["session"],
            emotions,
            references,
            hypotheses,
            _counts(words),
            _counts(characters),
            strict=True,
        )
    )
    return heard, substitutions, deletions, insertions


def _counts(found: "WordOutput | CharacterOutput") -> list[Errors]:
    """One count for each pair of texts."""
    counts = []
    for alignment in found.alignments:
        units = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
        for chunk in alignment:
            said, heard = chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
            units[chunk.type] += max(said, heard)
        counts.append(Errors(*units.values()))
    return counts


def _changes(found: "WordOutput") -> tuple[Counter[tuple[str, str]], Counter[str], Counter[str]]:
    """Substitutions, deletions and insertions by word."""
    substitutions: Counter[tuple[str, str]] = Counter()
    deletions: Counter[str] = Counter()
    insertions: Counter[str] = Counter()
    for said, heard, alignment in zip(found.references, found.hypotheses, found.alignments, strict=True):
        for chunk in alignment:
            lost, gained = said[chunk.ref_start_idx : chunk.ref_end_idx], heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "substitute":
                substitutions.update(zip(lost, gained, strict=True))
            elif chunk.type == "delete":
                deletions.update(lost)
            elif chunk.type == "insert":
                insertions.update(gained)
    return substitutions, deletions, insertions


def _words(text: str) -> str:
    """The words with a letter or digit: a normaliser may leave a stop of an ellipsis, which nobody says or hears."""
    return " ".join(word for word in text.split() if any(map(str.isalnum, word)))
