"""Tables of a report as plain cells, and those that all tasks share: missing inputs, and groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from merflow.contracts.numerals import DASH
from merflow.contracts.score_figures import ScoreGroup
from merflow.contracts.scores import Group
from merflow.evaluation.report.notes import inputs_in_words

AnyGroup = TypeVar("AnyGroup", Group, ScoreGroup)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        key: Anchor of the table, unique in a report.
        title: Heading of the table.
        note: Explanation of its figures, in one or more sentences.
        columns: Column headings; the first column names the rows.
        rows: Rows of cells, one cell per column.
        bold: Indices of highlighted rows.
        left: Indices of left-aligned columns.
    """

    key: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bold: frozenset[int] = field(default=frozenset())
    left: frozenset[int] = field(default=frozenset({0}))


def with_variant(pairs: Table, name: str) -> Table | None:
    """Return the rows of pairs with a variant; None if there are none."""
    return _of_rows(pairs, [index for index, row in enumerate(pairs.rows) if name in row[:2]], key=pairs.key)


def without_variant(pairs: Table, name: str) -> Table | None:
    """Return the rows of pairs without a variant; None if there are none."""
    rows = [index for index, row in enumerate(pairs.rows) if name not in row[:2]]
    return _of_rows(pairs, rows, key=f"{pairs.key}-others")


def _of_rows(table: Table, indices: Sequence[int], *, key: str) -> Table | None:
    bold = frozenset(new for new, index in enumerate(indices) if index in table.bold)
    rows = tuple(table.rows[index] for index in indices)
    return replace(table, key=key, rows=rows, bold=bold) if rows else None


def missing_table(variants: Mapping[str, tuple[str, Mapping[str, str]]], *, note: str) -> Table | None:
    """Return the figures of the same models without some of their input; None if no variant has any.

    Args:
        variants: The cell of the whole input, and one per missing input, per variant.
        note: Explanation of the figures.
    """
    shown = {name: cells for name, cells in variants.items() if cells[1]}
    sets = sorted(
        {inputs for _, missing in shown.values() for inputs in missing},
        key=lambda inputs: (inputs.count("+"), "=" in inputs, inputs),
    )
    if not shown:
        return None
    rows = [(name, whole, *(missing.get(inputs, DASH) for inputs in sets)) for name, (whole, missing) in shown.items()]
    columns = ("Variant", "Complete input", *map(inputs_in_words, sets))
    return Table("missing", "Missing modalities", note, columns, tuple(rows))


def group_table(
    kind: str,
    title: str,
    variants: Mapping[str, tuple[str, Sequence[AnyGroup]]],
    *,
    note: str,
    cell: Callable[[AnyGroup], str],
    head: str = "",
) -> Table | None:
    """Return the figures by group of test utterances; None if no variant has such groups.

    Args:
        kind: Kind of the groups.
        title: Heading of the table.
        variants: The cell of all utterances, and the groups, per variant.
        note: Explanation of the figures.
        cell: Returns the cell of a group.
        head: Start of the heading of every group's column.
    """
    shown = {name: figures for name, figures in variants.items() if figures[1]}
    if not shown:
        return None
    sizes: dict[str, int] = {group.group: group.utterances for _, groups in shown.values() for group in groups}
    rows = []
    for name, (whole, groups) in shown.items():
        cells: dict[str, str] = {group.group: cell(group) for group in groups}
        rows.append((name, whole, *(cells.get(group, DASH) for group in sizes)))
    columns = ("Variant", "All", *(f"{head}{group} ({count:,})" for group, count in sizes.items()))
    return Table(f"by-{kind}", title, note, columns, tuple(rows))
