"""Ratings: votes that agree with the label of a turn, and valence, activation and dominance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from merflow.corpus.synthetic.dialogue import Turn
from merflow.corpus.synthetic.words import phrase_book

LABEL_NAMES: dict[str, str] = {
    "ang": "Anger",
    "dis": "Disgust",
    "exc": "Excited",
    "fea": "Fear",
    "fru": "Frustration",
    "hap": "Happiness",
    "neu": "Neutral",
    "oth": "Other",
    "sad": "Sadness",
    "sur": "Surprise",
}

# Labels of raters who disagree.
_CONFUSED_WITH: dict[str, tuple[str, ...]] = {
    "ang": ("fru", "fru", "dis"),
    "dis": ("ang", "fru"),
    "exc": ("hap", "sur"),
    "fea": ("sad", "sur"),
    "fru": ("ang", "neu", "sad"),
    "hap": ("exc", "neu"),
    "neu": ("fru", "hap", "sad"),
    "oth": ("neu", "sur"),
    "sad": ("fru", "neu"),
    "sur": ("exc", "neu"),
}
_AFFECT: dict[str, tuple[float, float, float]] = {
    "ang": (1.9, 3.8, 4.0),
    "dis": (2.0, 2.9, 3.3),
    "exc": (4.0, 3.8, 3.3),
    "fea": (2.0, 3.4, 2.2),
    "fru": (2.2, 3.1, 3.3),
    "hap": (4.1, 3.1, 3.0),
    "neu": (3.0, 2.6, 2.8),
    "oth": (3.0, 3.0, 3.0),
    "sad": (2.0, 2.2, 2.4),
    "sur": (3.2, 3.6, 2.6),
}


class Panel(NamedTuple):
    """External raters of a dialogue: at least three for categories, at least two for attributes."""

    categories: tuple[str, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Category:
    """One rater's labels for a turn, as codes."""

    rater: str
    labels: tuple[str, ...]
    comment: str


@dataclass(frozen=True)
class Attributes:
    """One rater's valence, activation and dominance for a turn, each 1..5."""

    rater: str
    affect: tuple[int, int, int]
    comment: str


@dataclass(frozen=True)
class Ratings:
    """All ratings of one turn; the actor's own rating comes last in both."""

    turn: Turn
    categories: tuple[Category, ...]
    attributes: tuple[Attributes, ...]

    @property
    def affect(self) -> tuple[float, float, float]:
        """Means over the external raters."""
        means = np.mean([a.affect for a in self.attributes if a.rater.startswith("E")], axis=0)
        return (float(means[0]), float(means[1]), float(means[2]))


def panel(rng: np.random.Generator) -> Panel:
    """Draw the raters of a dialogue."""
    pool = [f"E{k}" for k in range(1, 5)]
    categories = sorted(rng.choice(pool, size=int(rng.choice([3, 3, 4])), replace=False))
    attributes = sorted(rng.choice(categories, size=int(rng.choice([2, 2, 3])), replace=False))
    return Panel(tuple(map(str, categories)), tuple(map(str, attributes)))


def majority(votes: Sequence[Sequence[str]]) -> str:
    """Return the label that more than half of the raters gave, or ``xxx``."""
    tally = Counter(label for labels in votes for label in set(labels))
    winners = [label for label, n in tally.items() if n > len(votes) / 2]
    return winners[0] if len(winners) == 1 else "xxx"


def rate(turn: Turn, raters: Panel, *, session: int, rng: np.random.Generator) -> Ratings:
    """Draw ratings of a turn so that its label is their external majority."""
    votes = _votes(turn, len(raters.categories), rng)
    own = f"{turn.letter}{session}"
    felt = turn.code if turn.code != "xxx" else turn.shows["voice"].code
    self_vote = felt if rng.uniform() < 0.7 else str(rng.choice(_CONFUSED_WITH[felt]))
    categories = [Category(r, labels, _comment(rng)) for r, labels in zip(raters.categories, votes, strict=True)]
    attributes = [Attributes(r, _affect(felt, rng), _comment(rng)) for r in (*raters.attributes, own)]
    return Ratings(turn, (*categories, Category(own, (self_vote,), _comment(rng))), tuple(attributes))


def _votes(turn: Turn, raters: int, rng: np.random.Generator) -> list[tuple[str, ...]]:
    if turn.code == "xxx":
        split = [showing.code for showing in turn.shows.values()]
        others = [code for code in LABEL_NAMES if code not in split and code not in ("dis", "oth")]
        distinct = [*dict.fromkeys(split), *map(str, rng.permutation(others))][:raters]
        return [(str(code),) for code in rng.permutation(distinct)]
    agreeing = raters // 2 + 1 + int(rng.integers(raters - raters // 2))
    dissent = [str(rng.choice(_CONFUSED_WITH[turn.code])) for _ in range(raters - agreeing)]
    votes: list[tuple[str, ...]] = [(str(code),) for code in rng.permutation([turn.code] * agreeing + dissent)]
    if not dissent and rng.uniform() < 0.25:  # probability of a second label from one rater beside the majority's
        votes[0] = (turn.code, str(rng.choice(_CONFUSED_WITH[turn.code])))
    return votes


def _affect(code: str, rng: np.random.Generator) -> tuple[int, int, int]:
    drawn = np.clip(np.rint(rng.normal(_AFFECT[code], 0.55)), 1, 5)
    return (int(drawn[0]), int(drawn[1]), int(drawn[2]))


def _comment(rng: np.random.Generator) -> str:
    return str(rng.choice(phrase_book()["comments"])) if rng.uniform() < 0.06 else ""
