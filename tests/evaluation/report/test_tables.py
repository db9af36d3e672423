import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from merflow.errors import OutputError
from merflow.evaluation.report.tables import latex_tables, markdown_tables, results_table, write_tables
from tests.evaluation.finished import NAMES, PAPERS, results_of_three, side_columns, with_statistics


@pytest.fixture
def results() -> dict[str, Any]:
    return results_of_three()


def markdown_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, head first."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert all(set(cell) <= set("-:") for cell in cells[1])
    return [cells[0], *cells[2:]]


def test_markdown_holds_the_figures_best_first(results: dict[str, Any]) -> None:
    head, *rows = markdown_rows(markdown_tables(results), "Results by variant")
    assert [row[0] for row in rows] == list(NAMES)
    assert dict(zip(head, rows[1], strict=True)) == {
        "variant": NAMES[1],
        "UA": "60.0",
        "UA, 95 %": "55.0\N{EN DASH}65.0",
        "UA by fold": "60.0 ± 2.0",
        "WA": "60.0",
        "WA, 95 %": "55.0\N{EN DASH}65.0",
        "macro F1": "60.0",
        "ECE": "10.0",
        "paper, UA / WA": "77.25 / 76.5",
    }


def test_what_is_clear_is_bold(results: dict[str, Any]) -> None:
    _, *rows = markdown_rows(markdown_tables(results), "Comparisons")
    assert [row[2] for row in rows] == ["+10.0", "**+20.0**", "+10.0"]
    assert rows[1][3:5] == ["**\N{MINUS SIGN}1.0 to +20.0**", "**0.003**"]
    assert rows[0][6] == r"&lt; 0.001"


def test_tables_without_data_are_left_out_and_with_data_they_are_there(results: dict[str, Any]) -> None:
    always = ["Results by variant", "Comparisons"]
    assert re.findall("^## (.*)$", markdown_tables(results), re.M) == always
    results["variants"][NAMES[0]] |= side_columns()
    text = markdown_tables(with_statistics(results))
    assert re.findall("^## (.*)$", text, re.M) == [
        *always,
        "What choosing on test data would add",
        "Without a modality",
        "By scripted or improvised",
        "Beside baselines",
    ]
    assert markdown_rows(text, "What choosing on test data would add")[1:] == [
        [NAMES[0], "70.0", "75.0", "+5.0", "+1.0 to +9.0", "75.0", "+5.0"]
    ]
    assert markdown_rows(text, "Without a modality")[1][2] == "40.0 (\N{MINUS SIGN}30.0)"
    head, first, *_ = markdown_rows(text, "By scripted or improvised")
    assert head == ["variant", "all", "improvised (86)", "scripted (60)"]
    assert first == [NAMES[0], "70.0", "71.0 (60.0\N{EN DASH}80.0)", "68.0"]
    assert markdown_rows(text, "Beside baselines")[2:] == [
        ["majority", "25.0", "\N{EN DASH}", "26.0", "always the most frequent emotion"],
        ["side only", "28.0", "20.0\N{EN DASH}36.0", "27.0", "who is filmed"],
    ]
    assert "p, McNemar, Holm" in text


def test_a_papers_table_has_every_row_of_it_and_ours_beside(results: dict[str, Any]) -> None:
    text = markdown_tables(results, papers=PAPERS)
    head, *rows = markdown_rows(text, "context-mmt, Table 3")
    assert head == [
        *("row", "inputs", "paper's data", "WA, paper", "WA, ours", "UA, paper", "UA, ours", "F1, paper", "F1, ours"),
        "note",
    ]
    assert rows[0] == [
        f"**{cell}**" if cell else ""
        for cell in (
            *("mmt-frozen", "A+T", "iemocap4+mosei, speaker-10fold", "76.2", "70.0", "77.3", "70.0", "83.2", ""),
            "the best",
        )
    ]
    assert rows[1][3:] == ["\N{EN DASH}", "", "70.0", "", "\N{EN DASH}", "", ""]
    assert rows[2][4] == rows[2][6] == "", "our figures are not of that corpus"
    assert "Ours: synthetic, session-5fold, 146 test utterances" in text
    assert "mfdr, Table 1" not in text, "no variant of it was run"


def test_signs_of_markdown_in_names_stay_signs(results: dict[str, Any]) -> None:
    text = markdown_tables(results, papers=PAPERS)
    assert r"On\_100% of A\|B" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 5 + 5 + 5
    assert "<" not in text


def test_latex_escapes_what_tex_would_read(results: dict[str, Any]) -> None:
    results["variants"][NAMES[0]] |= {"selection": r"a_b & 5% of {x} \ ~ ^ #1 $"}
    text = latex_tables(with_statistics(results), papers=PAPERS)
    assert r"a\_b \& 5\% of \{x\} \textbackslash{} \textasciitilde{} \textasciicircum{} \#1 \$" in text
    assert r"On\_100\% of A$|$B" in text
    assert r"\textbf{$-$1.0 to +20.0}" in text
    assert r"70.0 $\pm$ 2.0" in text
    assert "65.0--75.0" in text
    assert r"$\Delta$UA" in text
    assert text.isascii(), "no sign that an older TeX cannot read"


def test_latex_is_balanced_and_each_row_has_its_columns(results: dict[str, Any]) -> None:
    text = latex_tables(with_statistics(results), papers=PAPERS)
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    tables = re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.S)
    assert len(tables) == text.count(r"\begin{table}") == text.count(r"\end{table}") == 5
    for sides, body in tables:
        assert all(body.count(rf"\{rule}rule") == 1 for rule in ("top", "mid", "bottom"))
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 2
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(sides) - 1, row
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(set(labels)) == len(labels) == 5


def test_the_files_are_written_and_a_bad_place_is_named(results: dict[str, Any], tmp_path: Path) -> None:
    write_tables(results, tmp_path / "out", papers=PAPERS)
    assert (tmp_path / "out/tables.md").read_text(encoding="utf-8") == markdown_tables(results, papers=PAPERS)
    assert (tmp_path / "out/tables.tex").read_text(encoding="utf-8") == latex_tables(results, papers=PAPERS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*tables\.md"):
        write_tables(results, tmp_path / "file")


def terminal(results: dict[str, Any]) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(results_table(results))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_eighty_columns_show_the_best_first_and_every_name_and_figure_in_full(results: dict[str, Any]) -> None:
    variants = results["variants"].values()
    results["variants"] = {
        f"context-mmt:wavlm-fc-finetuned-{name}": variant for name, variant in zip("abc", variants, strict=True)
    }
    header, *rows = terminal(results)[:4]

    assert header.split() == ["variant", "UA", "interval", "folds", "WA", "macro", "F1"]
    assert [row.split() for row in rows] == [
        [
            f"context-mmt:wavlm-fc-finetuned-{name}",
            *(figure, f"{ua - 5}.0\N{EN DASH}{ua + 5}.0", figure, "±", "2.0", figure, figure),
        ]
        for name, ua in (("a", 70), ("b", 60), ("c", 50))
        for figure in [f"{ua}.0"]
    ]


def test_words_that_the_preset_did_not_ask_for_are_told(results: dict[str, Any]) -> None:
    results["variants"][NAMES[1]]["transcripts_of_preset"] = "asr"
    note = "read true transcripts; the preset asks for recognised words"
    assert f"{NAMES[1]} {note}" in " ".join(terminal(results)[4:])


def test_the_terminal_tells_how_the_epochs_were_chosen(results: dict[str, Any]) -> None:
    caption = " ".join(terminal(results)[4:])
    assert caption.endswith("epoch chosen by lowest dev_loss")
    results["variants"][NAMES[1]]["selection"] = "highest dev_ua"
    caption = " ".join(terminal(results)[4:])
    assert caption.endswith(f"lowest dev_loss ({NAMES[0]}, {NAMES[2]}); highest dev_ua ({NAMES[1]})")
