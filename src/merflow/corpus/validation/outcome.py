"""What validation found: problems in words, figures of the corpus, and the way to set bad rows aside."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from merflow.contracts.taxonomy import UNLABELLED, taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.transcript import folded_words
from merflow.corpus.validation.confounds import Confound, confounds_of

HISTOGRAM_BINS = 30


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        expectation: Which expectation is not met.
        detail: What was found, in words, with the values.
        utterance_id: The row at fault, or None where the corpus as a whole is.
    """

    expectation: str
    detail: str
    utterance_id: str | None


@dataclass(frozen=True)
class Check:
    """One expectation after the run: the number of things it looked at, and of those that do not meet it."""

    about: str
    expectation: str
    checked: int
    failed: int


@dataclass(frozen=True)
class Durations:
    """Seconds of the utterances of one class, or of all; ``counts`` are utterances between neighbouring ``edges``."""

    shortest_s: float
    median_s: float
    mean_s: float
    percentile95_s: float
    longest_s: float
    hours: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Figures:
    """Counts of a corpus. Utterances outside the taxonomy count under ``UNLABELLED``.

    Attributes:
        emotions: Class -> utterances.
        sessions: Session -> class -> utterances.
        speakers: Speaker -> class -> utterances.
        durations: Class (and ``all``) -> durations; empty where no duration is known.
        empty_transcripts: Transcripts that hold no word after tags are removed; None without transcripts.
        left_share: Class -> share of its utterances on the left of the picture; empty where no side is known.
        confounds: What side and gender alone tell of the emotion; empty where no side is known.
    """

    utterances: int
    labelled: int
    dialogues: int
    emotions: dict[str, int]
    sessions: dict[str, dict[str, int]]
    speakers: dict[str, dict[str, int]]
    durations: dict[str, Durations]
    empty_transcripts: int | None
    left_share: dict[str, float]
    confounds: tuple[Confound, ...]


@dataclass(frozen=True, eq=False)
class ValidationOutcome:
    """The result of validating a manifest.

    Attributes:
        checks: Every expectation that was checked, in the order of the suite.
        problems: Everything that is wrong, by expectation.
    """

    manifest: Manifest
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    figures: Figures

    @property
    def success(self) -> bool:
        """Whether every expectation is met."""
        return not any(check.failed for check in self.checks)

    @property
    def corpus_problems(self) -> tuple[Problem, ...]:
        """Problems that setting rows aside does not mend."""
        return tuple(problem for problem in self.problems if problem.utterance_id is None)

    def quarantine(self) -> tuple[Manifest, pd.DataFrame]:
        """The manifest without its bad rows, and those rows with a column ``reasons`` that joins all of theirs."""
        reasons: dict[str, list[str]] = {}
        for problem in self.problems:
            if problem.utterance_id is not None:
                found = reasons.setdefault(problem.utterance_id, [])
                found += [problem.detail] if problem.detail not in found else []
        rows = self.manifest.rows
        bad = rows["utterance_id"].isin(reasons)
        aside = rows[bad].assign(reasons=[("; ").join(reasons[name]) for name in rows.loc[bad, "utterance_id"]])
        return replace(self.manifest, rows=rows[~bad].reset_index(drop=True)), aside.reset_index(drop=True)


def describe(outcome: ValidationOutcome, *, limit: int = 5) -> str:
    """The problems as lines of text: equal ones together, ``limit`` of each expectation, then how many more."""
    lines = [f"{len(outcome.problems)} problem(s) in {len(outcome.manifest.rows)} utterances"]
    grouped = group_problems(outcome.problems)
    kinds, told = Counter(problem.expectation for problem, _ in grouped), Counter[str]()
    for problem, names in grouped:
        told[problem.expectation] += 1
        if told[problem.expectation] > limit:
            continue
        who = "corpus" if not names else names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        lines.append(f"  {who}: {problem.detail} [{problem.expectation}]")
        if told[problem.expectation] == limit < kinds[problem.expectation]:
            lines.append(f"  and {kinds[problem.expectation] - limit} more such [{problem.expectation}]")
    return "\n".join(lines)


def group_problems(problems: tuple[Problem, ...]) -> list[tuple[Problem, list[str]]]:
    """Problems of equal expectation and detail together, and whom they befall; the corpus' own come first."""
    grouped: dict[tuple[str, str], tuple[Problem, list[str]]] = {}
    for problem in problems:
        _, names = grouped.setdefault((problem.expectation, problem.detail), (problem, []))
        names += [] if problem.utterance_id is None else [problem.utterance_id]
    return sorted(grouped.values(), key=lambda group: bool(group[1]))


def figures_of(manifest: Manifest, *, durations_s: pd.Series) -> Figures:
    """Counts of a manifest; ``durations_s`` has one value a row, NaN where it is not known."""
    rows = manifest.rows
    classes = (*taxonomy(manifest.taxonomy).classes, UNLABELLED)
    emotion = rows["emotion"].fillna(UNLABELLED)
    transcripts = rows["transcript"].dropna()
    sided = rows["video_side"].notna()
    left = rows.loc[sided, "video_side"].eq("left").groupby(emotion[sided]).mean()
    durations = {name: durations_s[emotion == name].dropna() for name in classes} | {"all": durations_s.dropna()}
    return Figures(
        utterances=len(rows),
        labelled=int(rows["emotion"].notna().sum()),
        dialogues=int(rows["dialogue_id"].nunique()),
        emotions=_count(emotion, classes),
        sessions={str(name): _count(group, classes) for name, group in emotion.groupby(rows["session"])},
        speakers={str(name): _count(group, classes) for name, group in emotion.groupby(rows["speaker"])},
        durations={name: _durations(values) for name, values in durations.items() if len(values)},
        empty_transcripts=None if transcripts.empty else int(transcripts.map(folded_words).eq("").sum()),
        left_share={name: float(left[name]) for name in classes if name in left},
        confounds=confounds_of(rows),
    )


def _count(emotion: pd.Series, classes: tuple[str, ...]) -> dict[str, int]:
    counts = emotion.value_counts()
    return {name: int(counts.get(name, 0)) for name in classes}


def _durations(seconds: pd.Series) -> Durations:
    values = seconds.to_numpy()
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS, range=(0.0, float(values.max())))
    return Durations(
        shortest_s=float(values.min()),
        median_s=float(np.median(values)),
        mean_s=float(values.mean()),
        percentile95_s=float(np.percentile(values, 95)),
        longest_s=float(values.max()),
        hours=float(values.sum()) / 3600,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
    )
