"""The tables of a benchmark for a terminal, as Markdown and as LaTeX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from merflow.contracts.numerals import interval, percent, spread
from merflow.contracts.presets import PublishedTable
from merflow.evaluation.report.notes import selection_rule, transcript_note
from merflow.evaluation.report.papers import paper_tables
from merflow.evaluation.report.sheets import (
    Sheet,
    baselines,
    breakdowns,
    comparisons,
    epoch_choice,
    leaderboard,
    missing,
)
from merflow.evaluation.results import ranked
from merflow.storage.local import replacing

# What means something to Markdown inside a table's cell. A `<` would begin a tag, and a backslash hide what follows.
_MARKDOWN = str.maketrans({"\\": r"\\", "|": r"\|", "<": "&lt;", "*": r"\*", "_": r"\_", "`": r"\`", "\n": " "})
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": "$<$", ">": "$>$", "|": "$|$", "\N{MINUS SIGN}": "$-$", "±": r"$\pm$", "Δ": r"$\Delta$"},
        **{"\N{EN DASH}": "--", "\n": " "},
    }
)


def results_table(results: Mapping[str, Any]) -> Table:
    """The variants by falling pooled UA, for the terminal; percentages."""
    table = Table(
        box=None, pad_edge=False, header_style="bold", caption=_terminal_caption(results), caption_justify="left"
    )
    table.add_column("variant", no_wrap=True)
    for name in ("UA", "interval", "folds", "WA", "macro F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ranked(results):
        variant = results["variants"][name]
        table.add_row(
            name,
            percent(variant["UA"]["pooled"]),
            interval(variant["UA"]["ci95"]),
            spread(variant["UA"]),
            percent(variant["WA"]["pooled"]),
            percent(variant["macro_f1"]),
        )
    return table


def markdown_tables(results: Mapping[str, Any], *, papers: Sequence[PublishedTable] = ()) -> str:
    """Every table as a Markdown document with one heading each.

    Args:
        results: As :func:`merflow.evaluation.results.summarise` gives them.
        papers: The papers' own tables; those of models that took part are shown.
    """
    return "\n".join(_markdown(sheet) for sheet in _sheets(results, papers))


def latex_tables(results: Mapping[str, Any], *, papers: Sequence[PublishedTable] = ()) -> str:
    r"""Every table as a LaTeX ``table`` for ``\input``; needs the package booktabs, and graphicx for wide ones.

    Args:
        results: As :func:`merflow.evaluation.results.summarise` gives them.
        papers: The papers' own tables; those of models that took part are shown.
    """
    head = "% Tables of a merflow benchmark. In the preamble: \\usepackage{booktabs,graphicx}\n"
    return "\n".join([head, *(_latex(sheet) for sheet in _sheets(results, papers))])


def write_tables(results: Mapping[str, Any], folder: Path, *, papers: Sequence[PublishedTable] = ()) -> list[Path]:
    """Writes ``tables.md`` and ``tables.tex`` into the folder.

    Raises:
        OutputError: They cannot be written.
    """
    written = {"tables.md": markdown_tables(results, papers=papers), "tables.tex": latex_tables(results, papers=papers)}
    for name, text in written.items():
        with replacing(folder / name) as part:
            part.write_text(text, encoding="utf-8")
    return [folder / name for name in written]


def _sheets(results: Mapping[str, Any], papers: Sequence[PublishedTable]) -> list[Sheet]:
    """Every table that the results have the data for."""
    found = [leaderboard(results), comparisons(results), epoch_choice(results), missing(results)]
    found += [*breakdowns(results), baselines(results), *paper_tables(results, papers)]
    return [sheet for sheet in found if sheet is not None]


def _terminal_caption(results: Mapping[str, Any]) -> str:
    """What the table's figures are, and the rule that chose each variant's epoch."""
    notes = [f"{name} {note}" for name in ranked(results) if (note := transcript_note(results["variants"][name]))]
    said = ["95 % interval over dialogues", "folds: mean ± deviation", f"epoch chosen by {selection_rule(results)}"]
    return "; ".join(["percent", *said, *notes])


def _markdown(sheet: Sheet) -> str:
    rules = ["---" if place in sheet.left else "---:" for place in range(len(sheet.columns))]
    lines = [f"## {sheet.title}", "", sheet.note.translate(_MARKDOWN), ""]
    lines += [f"| {' | '.join(cell.translate(_MARKDOWN) for cell in sheet.columns)} |", f"| {' | '.join(rules)} |"]
    for place, row in enumerate(sheet.rows):
        cells = [cell.translate(_MARKDOWN) for cell in row]
        marked = [f"**{cell}**" if cell and place in sheet.strong else cell for cell in cells]
        lines.append(f"| {' | '.join(marked)} |")
    return "\n".join([*lines, ""])


def _latex(sheet: Sheet) -> str:
    sides = "".join("l" if place in sheet.left else "r" for place in range(len(sheet.columns)))
    rows = []
    for place, row in enumerate(sheet.rows):
        cells = [cell.translate(_LATEX) for cell in row]
        rows.append(" & ".join(rf"\textbf{{{cell}}}" if cell and place in sheet.strong else cell for cell in cells))
    head = " & ".join(cell.translate(_LATEX) for cell in sheet.columns)
    body = "".join(f"    {row} \\\\\n" for row in rows)
    return (
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{sheet.title.translate(_LATEX)}. {sheet.note.translate(_LATEX)}}}\n"
        f"  \\label{{tab:{sheet.key}}}\n"
        f"  \\resizebox{{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}}{{!}}{{%\n"
        f"  \\begin{{tabular}}{{{sides}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}"
        "    \\bottomrule\n  \\end{tabular}}\n\\end{table}\n"
    )
