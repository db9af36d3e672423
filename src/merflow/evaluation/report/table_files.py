"""``tables.md`` and ``tables.tex``: the tables of a benchmark as Markdown and as LaTeX."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.published import PublishedTable
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.evaluation.report.classics_tables import against_classics, learned_leak, text_leak
from merflow.evaluation.report.paper_tables import paper_tables
from merflow.evaluation.report.scores.every_table import score_tables
from merflow.evaluation.report.table import Table
from merflow.evaluation.report.tables import (
    baselines,
    breakdowns,
    comparisons,
    epoch_choice,
    leaderboard,
    missing,
)
from merflow.storage.local import replacing

# Characters with a meaning in a Markdown cell. A `<` would start a tag, and a backslash escapes the next character.
_MARKDOWN = str.maketrans({"\\": r"\\", "|": r"\|", "<": "&lt;", "*": r"\*", "_": r"\_", "`": r"\`", "\n": " "})
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": "$<$", ">": "$>$", "|": "$|$", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$", "Δ": r"$\Delta$"},
        **{"\N{EN DASH}": "--", "\n": " "},
    }
)


def markdown_tables(results: AnyResults, *, papers: Sequence[PublishedTable] = ()) -> str:
    """Return every table as a Markdown document, with a heading per table.

    Args:
        results: Results of the benchmark.
        papers: The papers' own tables; those of models that took part are included.
    """
    return "\n".join(_markdown(table) for table in _tables(results, papers))


def latex_tables(results: AnyResults, *, papers: Sequence[PublishedTable] = ()) -> str:
    r"""Return every table as a LaTeX ``table`` for ``\input``; they need the packages booktabs and graphicx.

    Args:
        results: Results of the benchmark.
        papers: The papers' own tables; those of models that took part are included.
    """
    head = "% Tables of a merflow benchmark. In the preamble: \\usepackage{booktabs,graphicx}\n"
    return "\n".join([head, *(_latex(table) for table in _tables(results, papers))])


def write_tables(results: AnyResults, folder: Path, *, papers: Sequence[PublishedTable] = ()) -> list[Path]:
    """Write ``tables.md`` and ``tables.tex`` into the folder, and return their paths.

    Raises:
        OutputError: A file cannot be written.
    """
    written = {"tables.md": markdown_tables(results, papers=papers), "tables.tex": latex_tables(results, papers=papers)}
    for name, text in written.items():
        with replacing(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    return [folder / name for name in written]


def _tables(results: AnyResults, papers: Sequence[PublishedTable]) -> list[Table]:
    """Return every table that the results have data for."""
    if isinstance(results, ScoreResults):
        return score_tables(results, papers)
    tables = [
        leaderboard(results),
        against_classics(results),
        comparisons(results),
        epoch_choice(results),
        missing(results),
    ]
    tables += [
        *(table for _, table in breakdowns(results)),
        text_leak(results),
        learned_leak(results),
        baselines(results),
        *paper_tables(results, papers),
    ]
    return [table for table in tables if table is not None]


def _markdown(table: Table) -> str:
    rules = ["---" if index in table.left else "---:" for index in range(len(table.columns))]
    lines = [f"## {table.title}", "", table.note.translate(_MARKDOWN), ""]
    lines += [f"| {' | '.join(cell.translate(_MARKDOWN) for cell in table.columns)} |", f"| {' | '.join(rules)} |"]
    for index, row in enumerate(table.rows):
        cells = [cell.translate(_MARKDOWN) for cell in row]
        marked = [f"**{cell}**" if cell and index in table.bold else cell for cell in cells]
        lines.append(f"| {' | '.join(marked)} |")
    return "\n".join([*lines, ""])


def _latex(table: Table) -> str:
    sides = "".join("l" if index in table.left else "r" for index in range(len(table.columns)))
    rows = []
    for index, row in enumerate(table.rows):
        cells = [cell.translate(_LATEX) for cell in row]
        rows.append(" & ".join(rf"\textbf{{{cell}}}" if cell and index in table.bold else cell for cell in cells))
    head = " & ".join(cell.translate(_LATEX) for cell in table.columns)
    body = "".join(f"    {row} \\\\\n" for row in rows)
    return (
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{table.title.translate(_LATEX)}. {table.note.translate(_LATEX)}}}\n"
        f"  \\label{{tab:{table.key}}}\n"
        f"  \\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n"
        f"  \\begin{{tabular}}{{{sides}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}"
        "    \\bottomrule\n  \\end{tabular}}\n\\end{table}\n"
    )
