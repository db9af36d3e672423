"""The outcome of a validation: described problems, figures of the corpus, and the quarantine of bad rows."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from merflow.contracts.corpus_validation import Validation
from merflow.contracts.taxonomy import UNLABELLED
from merflow.corpus.manifest import Manifest
from merflow.corpus.transcript import with_tags
from merflow.corpus.validation.confounds import Confound, confounds_of
from merflow.corpus.validation.scores import Scores, scores_of

HISTOGRAM_BINS = 30
_LISTED = 5  # problems of one expectation


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        expectation: The expectation that fails.
        detail: Description of the problem, with its values and a way to fix it.
        utterance_id: The row at fault; None if it is the corpus as a whole.
    """

    expectation: str
    detail: str
    utterance_id: str | None


@dataclass(frozen=True)
class Check:
    """The result of one expectation: the numbers of rows of a table that were checked, and that failed."""

    table: str
    expectation: str
    checked: int
    failed: int


@dataclass(frozen=True)
class Durations:
    """Durations of the utterances of a class, or of all; ``counts`` is a histogram over the bins between ``edges``."""

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
    """Counts of a corpus. Utterances outside the taxonomy count as ``UNLABELLED``.

    Attributes:
        emotions: Class -> utterances.
        sessions: Session -> class -> utterances.
        speakers: Speaker -> class -> utterances.
        durations: Class (and ``all``) -> durations; empty if no duration is known.
        empty_transcripts: Number of transcripts without a word, which text models see as missing; None without
            transcripts.
        left_share: Class -> share of its utterances on the left of the picture; empty if no side is known.
        confounds: How well side and gender alone predict the emotion; empty if no side is known.
        scores: Part of the official split -> sentiments; empty if no sentiment is known.
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
    scores: dict[str, Scores]


@dataclass(frozen=True, eq=False)
class ValidationOutcome:
    """The result of validating a manifest.

    Attributes:
        manifest: The manifest, with the differences that were accepted.
        verdict: One line on what is wrong and what matches in a release with known counts; empty if all is well.
        checks: Results of all expectations, in the order of the suite.
        problems: All problems, by expectation.
        notes: Facts about the corpus's files, one line each.
    """

    manifest: Manifest
    verdict: str
    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]
    figures: Figures
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """True if every expectation is met."""
        return not any(check.failed for check in self.checks)

    @property
    def corpus_problems(self) -> tuple[Problem, ...]:
        """Problems that setting rows aside doesn't solve."""
        return tuple(problem for problem in self.problems if problem.utterance_id is None)

    def quarantine(self) -> tuple[Manifest, pd.DataFrame]:
        """Return the manifest without its bad rows, and the bad rows with their ``reasons`` in one column."""
        reasons: dict[str, list[str]] = {}
        for problem in self.problems:
            if problem.utterance_id is not None:
                known = reasons.setdefault(problem.utterance_id, [])
                known += [problem.detail] if problem.detail not in known else []
        rows = self.manifest.rows
        bad = rows["utterance_id"].isin(reasons)
        bad_rows = rows[bad].assign(reasons=["; ".join(reasons[name]) for name in rows.loc[bad, "utterance_id"]])
        validation = Validation(
            passed=not self.corpus_problems,
            checks=len(self.checks),
            failed=tuple(check.expectation for check in self.checks if check.failed),
            set_aside=len(bad_rows),
        )
        good = replace(self.manifest, rows=rows[~bad].reset_index(drop=True), validation=validation)
        return good, bad_rows.reset_index(drop=True)


def describe(outcome: ValidationOutcome) -> str:
    """Return the problems as lines of text: equal ones together, and at most five per expectation."""
    count = len(outcome.problems)
    lines = [outcome.verdict] if outcome.verdict else []
    lines.append(f"{count} problem{'s' if count > 1 else ''} in {len(outcome.manifest.rows)} utterances")
    grouped = group_problems(outcome.problems)
    kinds, listed = Counter(problem.expectation for problem, _ in grouped), Counter[str]()
    for problem, names in grouped:
        listed[problem.expectation] += 1
        if listed[problem.expectation] > _LISTED:
            continue
        who = "corpus" if not names else names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        lines.append(f"  {who}: {problem.detail} [{problem.expectation}]")
        if listed[problem.expectation] == _LISTED < kinds[problem.expectation]:
            lines.append(f"  and {kinds[problem.expectation] - _LISTED} more [{problem.expectation}]")
    return "\n".join(lines)


def group_problems(problems: tuple[Problem, ...]) -> list[tuple[Problem, list[str]]]:
    """Group problems of equal expectation and detail with the ids at fault; those of the whole corpus come first."""
    grouped: dict[tuple[str, str], tuple[Problem, list[str]]] = {}
    for problem in problems:
        _, names = grouped.setdefault((problem.expectation, problem.detail), (problem, []))
        names += [] if problem.utterance_id is None else [problem.utterance_id]
    return sorted(grouped.values(), key=lambda group: bool(group[1]))


def figures_of(manifest: Manifest, *, durations_s: pd.Series) -> Figures:
    """Return the counts of a manifest; ``durations_s`` has one value per row, NaN if it is unknown."""
    rows = manifest.rows
    classes = (*manifest.classes, UNLABELLED)
    emotion = rows["emotion"].fillna(UNLABELLED)
    transcripts = rows["transcript"].dropna().map(lambda text: with_tags(text, manifest.tags))
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
        empty_transcripts=None if transcripts.empty else int(transcripts.eq("").sum()),
        left_share={name: float(left[name]) for name in classes if name in left},
        confounds=confounds_of(rows),
        scores=scores_of(rows),
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
