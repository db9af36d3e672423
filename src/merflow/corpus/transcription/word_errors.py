"""Word and character error rates of transcripts, counted by jiwer.

Rates are pooled: the errors of all utterances over the words (characters) of all references, so that a long utterance
weighs more than a short one. Characters include the spaces between words. Texts are normalized first. A token without
a letter or digit doesn't count as a word: many transcripts of acted speech end in an ellipsis, of which Whisper's
normalizer leaves a full stop.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from merflow.contracts.taxonomy import UNLABELLED

if TYPE_CHECKING:
    from jiwer import CharacterOutput, WordOutput


@dataclass(frozen=True)
class EditCounts:
    """Edits from references to hypotheses; a reference has ``hits + substitutions + deletions`` units."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    def __add__(self, other: "EditCounts") -> "EditCounts":
        return EditCounts(*(mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)))

    @property
    def _counts(self) -> tuple[int, int, int, int]:
        return (self.hits, self.substitutions, self.deletions, self.insertions)

    @property
    def wrong(self) -> int:
        """Number of edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference(self) -> int:
        """Number of units in the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Edits per unit of the references; it exceeds 1 if more was inserted than spoken."""
        return self.wrong / self.reference


@dataclass(frozen=True)
class ComparedUtterance:
    """One utterance with both of its texts, normalized."""

    utterance_id: str
    session: str
    emotion: str
    reference: str
    hypothesis: str
    words: EditCounts
    characters: EditCounts


@dataclass(frozen=True)
class Rates:
    """Error rates of some utterances, and the counts behind them.

    Attributes:
        wer: Word error rate.
        cer: Character error rate.
        utterances: Utterances that were compared.
        exact: Utterances without a wrong word.
    """

    wer: float
    cer: float
    utterances: int
    exact: int
    words: EditCounts
    characters: EditCounts


@dataclass(frozen=True)
class WordErrors:
    """A comparison of ASR transcripts with reference transcripts.

    Attributes:
        utterances: Every utterance that was compared.
        without_reference: Utterances without a reference transcript; they are left out.
        without_words: Utterances whose reference has no word after normalization (tags, hesitations). They are left
            out, because there is no rate over zero words.
        words_where_none: Words that the recognizer inserted into those.
        without_hypothesis: Utterances with a reference transcript that were not transcribed; they are left out.
        substitutions: (reference word, recognized word) -> times.
        deletions: Reference word -> times that it was missed.
        insertions: Recognized word -> times that it was added.
    """

    utterances: tuple[ComparedUtterance, ...]
    without_reference: int
    without_words: int
    words_where_none: int
    without_hypothesis: int
    substitutions: Counter[tuple[str, str]]
    deletions: Counter[str]
    insertions: Counter[str]

    def rates(self, by: Callable[[ComparedUtterance], str]) -> dict[str, Rates]:
        """Return the rates of each group by the group's name, in alphabetical order."""
        groups: dict[str, list[ComparedUtterance]] = {}
        for utterance in self.utterances:
            groups.setdefault(by(utterance), []).append(utterance)
        return {name: pooled(groups[name]) for name in sorted(groups)}

    def worst(self, number: int) -> list[ComparedUtterance]:
        """Return the utterances with the most wrong words, those with a higher rate first among equals."""
        ranked = sorted(self.utterances, key=lambda each: (-each.words.wrong, -each.words.rate, each.utterance_id))
        return [each for each in ranked[:number] if each.words.wrong]


def word_errors(rows: pd.DataFrame, *, normalize: Callable[[str], str]) -> WordErrors | None:
    """Compare ``asr_transcript`` with ``transcript``; return None if no row has a reference transcript.

    Args:
        rows: Manifest rows.
        normalize: Applied to both texts first.
    """
    spoken = rows[rows["transcript"].notna()]
    if spoken.empty:
        return None
    both = spoken[spoken["asr_transcript"].notna()]
    references = [_words(normalize(text)) for text in both["transcript"]]
    hypotheses = [_words(normalize(text)) for text in both["asr_transcript"]]
    has_words = [bool(text) for text in references]
    compared = both[has_words]
    pairs = [pair for pair in zip(references, hypotheses, strict=True) if pair[0]]
    utterances, substitutions, deletions, insertions = (
        _compare(compared, pairs) if pairs else ((), Counter(), Counter(), Counter())
    )
    return WordErrors(
        utterances=utterances,
        without_reference=len(rows) - len(spoken),
        without_words=len(both) - len(compared),
        words_where_none=sum(len(text.split()) for text, known in zip(hypotheses, has_words, strict=True) if not known),
        without_hypothesis=len(spoken) - len(both),
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
    )


def pooled(utterances: Iterable[ComparedUtterance]) -> Rates:
    """Return the rates of some utterances together."""
    compared = list(utterances)
    words = sum((each.words for each in compared), EditCounts())
    characters = sum((each.characters for each in compared), EditCounts())
    return Rates(
        wer=words.rate,
        cer=characters.rate,
        utterances=len(compared),
        exact=sum(not each.words.wrong for each in compared),
        words=words,
        characters=characters,
    )


def _compare(
    rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]
) -> tuple[tuple[ComparedUtterance, ...], Counter[tuple[str, str]], Counter[str], Counter[str]]:
    import jiwer

    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    words = jiwer.process_words(references, hypotheses)
    characters = jiwer.process_characters(references, hypotheses)
    substitutions, deletions, insertions = _changes(words)
    emotions = rows["emotion"].astype(object).where(rows["emotion"].notna(), UNLABELLED)
    compared = tuple(
        ComparedUtterance(*row)
        for row in zip(
            rows["utterance_id"],
            rows["session"],
            emotions,
            references,
            hypotheses,
            _edits(words),
            _edits(characters),
            strict=True,
        )
    )
    return compared, substitutions, deletions, insertions


def _edits(output: "WordOutput | CharacterOutput") -> list[EditCounts]:
    """Return the counts of each pair of texts."""
    counts = []
    for alignment in output.alignments:
        units = dict.fromkeys(("equal", "substitute", "delete", "insert"), 0)
        for chunk in alignment:
            expected, got = chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
            units[chunk.type] += max(expected, got)
        counts.append(EditCounts(*units.values()))
    return counts


def _changes(output: "WordOutput") -> tuple[Counter[tuple[str, str]], Counter[str], Counter[str]]:
    """Return substitutions, deletions and insertions by word."""
    substitutions: Counter[tuple[str, str]] = Counter()
    deletions: Counter[str] = Counter()
    insertions: Counter[str] = Counter()
    for reference, hypothesis, alignment in zip(output.references, output.hypotheses, output.alignments, strict=True):
        for chunk in alignment:
            lost = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            gained = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "substitute":
                substitutions.update(zip(lost, gained, strict=True))
            elif chunk.type == "delete":
                deletions.update(lost)
            elif chunk.type == "insert":
                insertions.update(gained)
    return substitutions, deletions, insertions


def _words(text: str) -> str:
    """Return the words of a normalized text that have a letter or digit; the rest is not spoken."""
    return " ".join(word for word in text.split() if any(map(str.isalnum, word)))
