import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.errors import OutputError
from merflow.evaluation.report import write_report
from tests.evaluation.finished import NAMES, results_of_three, side_columns, variant


@pytest.fixture
def results() -> dict[str, Any]:
    return results_of_three()


def _history() -> dict[tuple[int, int], list[dict[str, float]]]:
    row = {"train_loss": 1.0, "dev_loss": 1.1, "dev_ua": 0.5}
    return {(fold, 0): [{"epoch": epoch, **row, "dev_ua": epoch / 4} for epoch in (1, 2, 3)] for fold in (1, 2, 3)}


class _Page(HTMLParser):
    """Tags that are open, all ids, links and texts."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.open += [] if tag in self.VOID else [tag]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _written(results: Mapping[str, Any], path: Path, **changes: object) -> tuple[_Page, str]:
    arguments: dict[str, Any] = {
        "title": "demo",
        "histories": {NAMES[0]: _history()},
        "identity": {"corpus": "synthetic", "commit": "c0ffee"},
        "command": "merflow benchmark --out runs/demo",
    }
    write_report(results, path, **{**arguments, **changes})
    html = path.read_text(encoding="utf-8")
    page = _Page()
    page.feed(html)
    page.text = re.sub(r"\s+", " ", page.text)
    return page, html


def test_the_page_is_whole_and_needs_nothing_beside_it(results: dict[str, Any], tmp_path: Path) -> None:
    page, html = _written(results, tmp_path / "deep" / "report.html")

    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "<script" not in html
    assert "http" not in html
    assert "url(" not in html


def test_the_page_says_what_was_found(results: dict[str, Any], tmp_path: Path) -> None:
    page, _ = _written(results, tmp_path / "report.html")
    order = [page.text.index(f"{name} ") for name in NAMES]

    assert order == sorted(order)
    for expected in (
        "70.0 %",
        "65.0\N{EN DASH}75.0",
        "77.25 / 76.5",
        "only the frozen stage was run; the preset also asks for partial",
        "fedcba9876543210",
        "0123456789abcdef",
        "c0ffee",
        "merflow benchmark --out runs/demo",
        "lowest dev_loss",
        "angry 35, happy 36, neutral 37, sad 38",
        "2000 resamples",
        "\N{MINUS SIGN}1.0 to +20.0",
        "0.210",
        "< 0.001",
    ):
        assert expected in page.text, expected


def test_side_columns_are_told_apart_from_the_honest_figures(results: dict[str, Any], tmp_path: Path) -> None:
    results["variants"][NAMES[0]] |= side_columns()
    page, _ = _written(results, tmp_path / "report.html")
    assert {"bias", "missing"} <= set(page.ids)
    assert f"{NAMES[0]} 70.0 75.0 +5.0 +1.0 to +9.0 75.0 +5.0" in page.text
    assert "no such model can be promoted" in page.text
    assert "70.0 40.0\N{MINUS SIGN}30.0" in page.text


def test_seeds_get_a_column_where_there_are_several(results: dict[str, Any], tmp_path: Path) -> None:
    assert "UA by seed" not in _written(results, tmp_path / "one.html")[0].text
    for entry in results["variants"].values():
        entry["over_seeds"]["UA"] = {"mean": 0.66, "std": 0.012}
        entry["folds"] = [{**fold, "seed": seed} for fold in entry["folds"] for seed in (0, 2)]
    page, html = _written({**results, "seeds": [0, 2]}, tmp_path / "two.html")
    assert "UA by seed" in page.text
    assert "66.0 ± 1.2" in page.text
    assert "<title>fold 3, seed 2: " in html


def test_names_cannot_break_the_page(results: dict[str, Any], tmp_path: Path) -> None:
    page, html = _written(
        results, tmp_path / "report.html", title="<b>&", command="a < b && c", identity={"<i>": "<script>"}
    )

    assert page.open == []
    assert "<b>&" in page.text
    assert "a < b && c" in page.text
    assert "<script" not in html


def test_one_variant_without_interval_history_or_paper_is_a_page_too(results: dict[str, Any], tmp_path: Path) -> None:
    one = variant(0.5)
    one["UA"] = {**one["UA"], "std": None, "ci95": None}
    one["folds"] = [{**one["folds"][0], "best_epoch": None, "dev_ua": None, "dev_loss": None}]
    page, html = _written(
        {**results, "variants": {NAMES[0]: one}, "comparisons": []}, tmp_path / "r.html", histories={}
    )

    assert page.open == []
    assert "comparisons" not in page.ids
    assert 'class="interval"' not in html
    assert 'class="curves"' not in html


def test_a_diverged_loss_is_left_out_of_its_curve(results: dict[str, Any], tmp_path: Path) -> None:
    history = _history()
    history[1, 0][2]["train_loss"] = float("nan")
    _, html = _written(results, tmp_path / "report.html", histories={NAMES[0]: history})

    assert html.count('class="curves"') == 2
    assert not re.search(r"\bnan\b", html)


def test_a_place_that_cannot_be_written_is_named(results: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*report\.html"):
        _written(results, tmp_path / "file" / "report.html")


def test_words_that_the_preset_did_not_ask_for_are_told(results: dict[str, Any], tmp_path: Path) -> None:
    results["variants"][NAMES[1]]["transcripts_of_preset"] = "asr"
    note = "read true transcripts; the preset asks for recognised words"
    page, _ = _written(results, tmp_path / "report.html")
    assert page.text.count(note) == 2  # in the table and beside the learning curves
