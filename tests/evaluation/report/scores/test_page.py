from pathlib import Path

import pytest

from merflow.contracts.history import EpochFigures
from merflow.contracts.published import Paper, PublishedRow, PublishedTable
from merflow.contracts.score_results import ScoreResults
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.page import write_report
from merflow.evaluation.report.table_files import markdown_tables, write_tables
from tests.evaluation.finished import published
from tests.evaluation.report.html import ReadPage
from tests.evaluation.scores.rated import PUBLISHED, results_of_three

_PAPER = Paper(title="Decouple and recouple", venue="Here", year=2024)
PAPERS = (
    PublishedTable(
        "mfdr",
        _PAPER,
        "2",
        (
            PublishedRow("mfdr:full", PUBLISHED),
            PublishedRow("mfdr:full", published("iemocap4, session-5fold", WA=75.7, UA=77.0)),
            PublishedRow("mfdr:not-run", published("mosei, official", ACC2=83.9, F1=83.2)),
        ),
    ),
)


@pytest.fixture(scope="module")
def results() -> ScoreResults:
    return results_of_three()


def _history() -> dict[tuple[int, int], list[EpochFigures]]:
    figures = {"dev_mae": 0.6, "dev_ccc": 0.5, "dev_pearson": 0.55}
    row = {"stage": 1, "train_loss": 1.0, "dev_loss": 0.7, "lr": 0.1, "seconds": 1.0, "development": figures}
    return {(fold, 0): [EpochFigures(epoch=number, **row) for number in (1, 2)] for fold in (1, 2)}  # type: ignore[arg-type]


def _written(results: ScoreResults, path: Path) -> tuple[ReadPage, str]:
    origin = Origin(title="demo", command="merflow benchmark --task sentiment", identity={"commit": "c0ffee"})
    write_report(results, path, origin=origin, histories={"mfdr:full": _history()}, papers=PAPERS)
    html = path.read_text(encoding="utf-8")
    return ReadPage.of(html), html


def test_the_page_is_whole_and_shows_what_was_found(results: ScoreResults, tmp_path: Path) -> None:
    page, html = _written(results, tmp_path / "report.html")

    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert "https:" not in html
    assert {"results", "figures", "comparisons", "predictions", "bias"} <= set(page.ids)
    assert {"breakdowns", "missing", "learning", "papers"} <= set(page.ids)
    for expected in (
        f"{results.variants['mfdr:full'].mae:.3f}",
        "sentiment from \N{MINUS SIGN}3 to 3",
        "floor: median",
        "has0: negative against non-negative",
        "The paper of mfdr calls ACC2 that of negative against positive",
        "ACC7 53.7, ACC2 non0 85.2, F1 non0 84.1 (mosei, official)",
        results.split_id,
        "c0ffee",
    ):
        assert expected in page.text, expected
    assert page.figures.keys() >= {"spread", "scatter-mfdr-full", "residuals-mfdr-full", "errors-mfdr-full"}


def test_no_binary_figure_is_without_its_convention(results: ScoreResults, tmp_path: Path) -> None:
    tables = markdown_tables(results, papers=PAPERS)
    heads = [cell.strip() for line in tables.splitlines() if line.startswith("| ") for cell in line.split("|")]
    binary = {cell for cell in heads if cell.startswith(("ACC2", "F1"))}

    assert len(binary) >= 6
    for cell in binary:
        assert any(convention in cell for convention in ("has0", "non0", "zero as negative")), cell
    assert [path.name for path in write_tables(results, tmp_path, papers=PAPERS)] == ["tables.md", "tables.tex"]


def test_the_papers_rows_of_other_corpora_are_left_out(results: ScoreResults, tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html")
    table = page.text[page.text.index("mfdr, Table 2") :]

    assert "not-run" in table
    assert "75.7" not in table
    share = 100 * (results.variants["mfdr:full"].figures["ACC2 non0"].pooled or 0)
    assert f"85.2 {share:.1f}" in table


def test_charts_show_the_numbers_of_the_results(results: ScoreResults, tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html")
    variant = results.variants["mfdr:full"]
    folds, means = page.figures["spread"]["data"]

    assert means["x"] == pytest.approx([results.variants[name].figures["MAE"].mean for name in results.ranked])
    assert len(folds["x"]) == 15
    _, scatter = page.figures["scatter-mfdr-full"]["data"]
    assert len(scatter["x"]) == len(variant.cells)
    middle, mean = page.figures["residuals-mfdr-full"]["data"]
    assert middle["x"] == mean["x"] == [row.step for row in variant.residuals]
    (errors,) = page.figures["errors-mfdr-full"]["data"]
    assert sum(errors["y"]) == pytest.approx(100)
    *_, chosen = page.figures["errors-by-epoch-mfdr-full"]["data"]
    assert chosen["y"] == pytest.approx([0.6, 0.6])


def test_a_score_without_zero_says_what_it_lacks_and_quotes_no_paper(tmp_path: Path) -> None:
    page, _ = _written(results_of_three("valence"), tmp_path / "report.html")

    assert "valence has none of them" in page.text
    assert "papers" not in page.ids
    assert "85.2" not in page.text
