"""Facts of one fold, which are stored with the splits and shown in their summary."""

from dataclasses import dataclass, field

import pandas as pd

from merflow.contracts.protocols import PARTS, Part
from merflow.corpus.splitting.development import Drawn
from merflow.corpus.splitting.labelled import Labelled
from merflow.corpus.splitting.leakage import Shared, SharedText, shared_text
from merflow.errors import SplitError


@dataclass(frozen=True)
class ScoreSpread:
    """Mean and standard deviation of the scores of a part."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class FoldFacts:
    """Facts of one fold.

    Attributes:
        fold: Number of the fold, from 1.
        speakers: Part -> its speakers, sorted.
        counts: Part -> class -> utterances; for scores, nearest whole number of the scale -> utterances.
        drawn: The speaker or session that was drawn as development data; None if whole dialogues were drawn, or if the
            development data are those of an official split.
        official_development: True if they are those of an official split.
        left_out: Number of labelled utterances in no part: they share a dialogue with a test speaker, or the corpus's
            own split does not name them.
        dialogues_dev_train: Number of dialogues in both development and training data.
        dialogues_dev_test: Number of dialogues in both development and test data.
        shared: Speakers and dialogues that an official split has in two parts, recorded as known; else empty.
        shared_text: Shares of test utterances that the training data repeat word for word.
        scores: Part -> spread of its scores; empty for emotions.
    """

    fold: int
    speakers: dict[Part, tuple[str, ...]]
    counts: dict[Part, dict[str, int]]
    drawn: Drawn | None
    official_development: bool
    left_out: int
    dialogues_dev_train: int
    dialogues_dev_test: int
    shared: tuple[Shared, ...]
    shared_text: SharedText
    scores: dict[Part, ScoreSpread] = field(default_factory=dict)

    def lacking(self, part: Part) -> list[str]:
        """Return the classes of which a part has no utterance; no part needs scores of every kind."""
        return [] if self.scores else [name for name, count in self.counts[part].items() if count == 0]


def facts_of(
    parts: dict[Part, pd.DataFrame],
    *,
    fold: int,
    labelled: Labelled,
    drawn: Drawn | None = None,
    official_development: bool = False,
    shared: tuple[Shared, ...] = (),
) -> FoldFacts:
    """Return the facts of a fold.

    Raises:
        SplitError: A part is empty, or the training data lack a class.
    """
    for part in PARTS:
        if parts[part].empty:
            raise SplitError(f"fold {fold} has no {part} utterance; choose another splits.protocol or development")
    dialogues = {part: set(rows["dialogue_id"]) for part, rows in parts.items()}
    facts = FoldFacts(
        fold=fold,
        speakers={part: tuple(sorted(rows["speaker"].unique())) for part, rows in parts.items()},
        counts={
            part: {name: int((rows[labelled.counted_by] == name).sum()) for name in labelled.counted}
            for part, rows in parts.items()
        },
        drawn=drawn,
        official_development=official_development,
        left_out=len(labelled.rows) - sum(len(rows) for rows in parts.values()),
        dialogues_dev_train=len(dialogues["dev"] & dialogues["train"]),
        dialogues_dev_test=len(dialogues["dev"] & dialogues["test"]),
        shared=shared,
        shared_text=shared_text(parts["train"], parts["test"]),
        scores={part: _spread(rows[labelled.task.column]) for part, rows in parts.items()} if labelled.score else {},
    )
    if missing := facts.lacking("train"):
        raise SplitError(
            f"fold {fold} has no {', '.join(missing)} utterance to train on; choose another splits.protocol, "
            "splits.development or corpus.taxonomy"
        )
    return facts


def _spread(scores: pd.Series) -> ScoreSpread:
    return ScoreSpread(float(scores.mean()), float(scores.std(ddof=0)))
