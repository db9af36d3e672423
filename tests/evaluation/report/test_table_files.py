import re
from pathlib import Path

import pytest

from merflow.contracts.results import Results
from merflow.errors import OutputError
from merflow.evaluation.report.table_files import latex_tables, markdown_tables, write_tables
from tests.evaluation.finished import NAMES, PAPERS, changed, results_of_three, side_columns, with_statistics


@pytest.fixture
def results() -> Results:
    return results_of_three()


def markdown_rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, header first."""
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert all(set(cell) <= set("-:") for cell in cells[1])
    return [cells[0], *cells[2:]]


def test_markdown_holds_the_figures_best_first(results: Results) -> None:
    head, *rows = markdown_rows(markdown_tables(results), "Results by variant")
    assert [row[0] for row in rows] == list(NAMES)
    assert dict(zip(head, rows[1], strict=True)) == {
        "Variant": NAMES[1],
        "UA": "60.0",
        "UA, 95% CI": "55.0\N{EN DASH}65.0",
        "UA by fold": "60.0 ± 2.0",
        "WA": "60.0",
        "WA, 95% CI": "55.0\N{EN DASH}65.0",
        "Macro F1": "60.0",
        "ECE": "10.0",
        "Paper, UA / WA": "77.25 / 76.5 (iemocap4, session-5fold)",
        "Encoders": "the paper's encoders",
    }


def test_what_is_clear_is_bold(results: Results) -> None:
    _, *rows = markdown_rows(markdown_tables(results), "Comparisons")
    assert [row[2] for row in rows] == ["+10.0", "**+20.0**", "+10.0"]
    assert rows[1][3:5] == ["**\N{MINUS SIGN}1.0 to +20.0**", "**0.003**"]
    assert rows[0][6] == r"&lt; 0.001"


def test_only_tables_with_data_are_written(results: Results) -> None:
    always = ["Results by variant", "Comparisons"]
    assert re.findall("^## (.*)$", markdown_tables(results), re.M) == always
    text = markdown_tables(changed(with_statistics(results), NAMES[0], **side_columns()))
    assert re.findall("^## (.*)$", text, re.M) == [
        *always,
        "Bias of choosing the epoch on test data",
        "Missing modalities",
        "By setting (scripted or improvised)",
        "Baselines",
    ]
    assert markdown_rows(text, "Bias of choosing the epoch on test data")[1:] == [
        [NAMES[0], "70.0", "75.0", "+5.0", "+1.0 to +9.0", "75.0", "+5.0"]
    ]
    assert markdown_rows(text, "Missing modalities")[1][2] == "40.0 (\N{MINUS SIGN}30.0)"
    head, first, *_ = markdown_rows(text, "By setting (scripted or improvised)")
    assert head == ["Variant", "All", "improvised (86)", "scripted (60)"]
    assert first == [NAMES[0], "70.0", "71.0 (60.0\N{EN DASH}80.0)", "68.0"]
    assert markdown_rows(text, "Baselines")[2:] == [
        ["majority", "25.0", "\N{EN DASH}", "26.0", "always the most frequent emotion"],
        ["side only", "28.0", "20.0\N{EN DASH}36.0", "27.0", "who is filmed"],
    ]
    assert "p, McNemar, Holm" in text


def test_a_papers_table_has_all_its_rows_next_to_ours(results: Results) -> None:
    text = markdown_tables(results, papers=PAPERS)
    head, *rows = markdown_rows(text, "context-mmt, Table 3")
    assert head == [
        *("Row", "Inputs", "Paper's data", "WA, paper", "WA, this run", "UA, paper", "UA, this run", "F1, paper"),
        *("F1, this run", "Encoders, this run", "Note"),
    ]
    dash = "\N{EN DASH}"
    first = ["mmt-frozen", "A+T", "iemocap4, session-5fold", "76.20", "70.0", "77.30", "70.0", dash, "70.0 / 70.0"]
    assert rows[0] == [f"**{cell}**" for cell in (*first, "the paper's encoders", "the best")]
    assert rows[1] == ["mmt-frozen", "A+T", "mosei, official", dash, "", dash, "", "83.20", "", "", "the best"]
    assert rows[2] == [
        *(
            "mmt-finetuned",
            "A+T",
            "iemocap4, speaker-10fold",
            "79.25?",
            "",
            "80.00?",
            "",
            dash,
            "",
            "",
            "perhaps another",
        ),
    ]
    assert rows[3] == ["not-run", "A", "iemocap4, session-5fold", dash, "", "70.00", "", dash, "", "", ""]
    assert "with the figures of this run on synthetic, session-5fold, 146 test utterances" in text
    assert "mfdr, Table 1" not in text, "no variant of it was run"


def test_signs_of_markdown_in_names_stay_signs(results: Results) -> None:
    text = markdown_tables(results, papers=PAPERS)
    assert r"On\_100% of A\|B" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 5 + 5 + 6
    assert "<" not in text


def test_latex_escapes_what_tex_would_read(results: Results) -> None:
    named = results.model_copy(update={"corpus": r"a_b & 5% of {x} \ ~ ^ #1 $"})
    text = latex_tables(with_statistics(named), papers=PAPERS)
    assert r"a\_b \& 5\% of \{x\} \textbackslash{} \textasciitilde{} \textasciicircum{} \#1 \$" in text
    assert r"On\_100\% of A$|$B" in text
    assert r"\textbf{$-$1.0 to +20.0}" in text
    assert r"70.0 $\pm$ 2.0" in text
    assert "65.0--75.0" in text
    assert r"$\Delta$UA" in text
    assert text.isascii(), "no sign that an older TeX cannot read"


def test_latex_is_balanced_and_each_row_has_its_columns(results: Results) -> None:
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


def test_the_files_are_written_and_a_bad_place_is_named(results: Results, tmp_path: Path) -> None:
    write_tables(results, tmp_path / "out", papers=PAPERS)
    assert (tmp_path / "out/tables.md").read_text(encoding="utf-8") == markdown_tables(results, papers=PAPERS)
    assert (tmp_path / "out/tables.tex").read_text(encoding="utf-8") == latex_tables(results, papers=PAPERS)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*tables\.md"):
        write_tables(results, tmp_path / "file")
