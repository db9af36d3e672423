"""Signs that words give emotions away because training and test data repeat lines."""

from collections.abc import Mapping
from typing import Literal

from pydantic import FiniteFloat

from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict


class SettingGap(Strict):
    """UA on scripted and on improvised utterances; a model that knows scripts by heart is better on the first.

    Attributes:
        scripted: UA on scripted utterances.
        improvised: UA on improvised utterances.
        gap: The first minus the second.
        ci95: 95% bootstrap interval of ``gap``; None if a setting has too few dialogues or too rare classes.
    """

    scripted: FiniteFloat
    improvised: FiniteFloat
    gap: FiniteFloat
    ci95: Interval | None


class LearnedLeak(Strict):
    """The UA that TF-IDF owes to lines it was trained on: the same tests with and without them in training.

    Attributes:
        classic: TF-IDF, trained on everything.
        unseen: The same, trained without the dialogues that repeat the tested one and without the test part's lines.
        group: Tested utterances: ``scripted`` where the corpus says which are, else ``all``.
        utterances: Number of them.
        ua: UA of ``classic`` on them.
        ua_unseen: UA of ``unseen`` on them.
        leak: The first minus the second.
        ci95: 95% bootstrap interval of ``leak``; None for fewer than five dialogues.
    """

    classic: str
    unseen: str
    group: Literal["scripted", "all"]
    utterances: int
    ua: FiniteFloat
    ua_unseen: FiniteFloat
    leak: FiniteFloat
    ci95: Interval | None


class TextLeak(Strict):
    """Signs that words give emotions away because training and test data repeat lines.

    Attributes:
        gaps: The gap between the settings, per variant and per classic, the leak baseline included; empty if the
            corpus does not know the settings, or has only one.
        learned: The leak of TF-IDF, per kind of transcripts; empty without words.
    """

    gaps: Mapping[str, SettingGap]
    learned: tuple[LearnedLeak, ...]
