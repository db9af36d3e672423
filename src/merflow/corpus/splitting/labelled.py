"""The utterances with a label of a task, grouped for drawing development data and for counting.

Emotions are both. Scores have few values or many, so development data are drawn by thirds of the corpus's scores, which
a speaker or session should all have; summaries count scores by the nearest whole number of the scale.
"""

from dataclasses import dataclass

import pandas as pd

from merflow.contracts.task import SCALES, TASK_NAMES, Regression, Task, TaskName, task_of
from merflow.corpus.manifest import Manifest
from merflow.errors import SplitError

_THIRD, _NEAREST = "third", "nearest"
_THIRDS = ("low", "middle", "high")


@dataclass(frozen=True)
class Labelled:
    """Utterances with a label.

    Attributes:
        rows: Rows of the manifest, with the columns below.
        task: The task of the labels.
        drawn_by: Column of groups of which development data need some utterances each.
        groups: Its values.
        counted_by: Column of groups that summaries count.
        counted: Its values.
    """

    rows: pd.DataFrame
    task: Task
    drawn_by: str
    groups: tuple[str, ...]
    counted_by: str
    counted: tuple[str, ...]

    @property
    def score(self) -> Regression | None:
        """The scale of the labels; None for emotions."""
        return self.task if isinstance(self.task, Regression) else None


def in_every_group(*, of_scores: bool) -> str:
    """Return the groups that development data are drawn by as text, to follow a number of utterances."""
    return "in every third of the scores" if of_scores else "of every class"


def labelled(manifest: Manifest, name: TaskName, *, improvised_only: bool) -> Labelled:
    """Return the utterances that have a label of the task.

    Raises:
        SplitError: There are none, a score is off its scale, or ``improvised_only`` meets utterances of unknown kind or
            leaves none.
    """
    task = task_of(name, classes=manifest.classes)
    rows = manifest.rows[manifest.rows[task.column].notna()]
    if rows.empty:
        raise SplitError(_unlabelled(manifest, task))
    if improvised_only:
        rows = _improvised(rows)
    if not isinstance(task, Regression):
        return Labelled(rows, task, task.column, task.classes, task.column, task.classes)
    scores = rows[task.column]
    off = rows[~scores.between(task.low, task.high)]
    if not off.empty:
        raise SplitError(
            f"{len(off)} of {len(rows)} utterances have a {task.name} off the scale from {task.low:g} to "
            f"{task.high:g}, for example {off['utterance_id'].iloc[0]} with {off[task.column].iloc[0]:g}; correct the "
            f"column {task.column!r} and index the corpus again"
        )
    edges = [0, 1 / 3, 2 / 3, 1]
    thirds = pd.cut(scores.rank(pct=True), edges, labels=list(_THIRDS)).astype(str)
    return Labelled(
        rows.assign(**{_THIRD: thirds, _NEAREST: scores.map(task.group)}),
        task,
        _THIRD,
        tuple(third for third in _THIRDS if third in set(thirds)),  # of few values, some may be all in one third
        _NEAREST,
        task.groups,
    )


def _unlabelled(manifest: Manifest, task: Task) -> str:
    columns = {name: SCALES[name].column if name in SCALES else name for name in TASK_NAMES}
    others = [name for name, column in columns.items() if manifest.rows[column].notna().any()]
    found = f"none of the {len(manifest.rows)} utterances of {manifest.root} has "
    if isinstance(task, Regression):
        found += f"a value in the column {task.column!r}"
        remedy = "fill it in" if not others else f"choose a task that the corpus has: --task {' or '.join(others)}"
    else:
        found += f"an emotion of taxonomy {manifest.taxonomy.name}"
        remedy = "label them, or choose another corpus.taxonomy"
        remedy += f", or a task that the corpus has: --task {' or '.join(others)}" if others else ""
    return f"{found}; {remedy}"


def _improvised(rows: pd.DataFrame) -> pd.DataFrame:
    unknown = int(rows["scripted"].isna().sum())
    if unknown:
        raise SplitError(
            f"{unknown} of {len(rows)} labelled utterances have no value in the column 'scripted', for example "
            f"{rows.loc[rows['scripted'].isna(), 'utterance_id'].iloc[0]}; fill it in, or set "
            "splits.improvised_only=false"
        )
    improvised = rows[~rows["scripted"].astype(bool)]
    if improvised.empty:
        raise SplitError(
            f"all {len(rows)} labelled utterances are scripted, so improvised_only leaves none; "
            "set splits.improvised_only=false"
        )
    return improvised
