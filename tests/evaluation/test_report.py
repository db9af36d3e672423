import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from merflow.contracts.errors import OutputError
from merflow.contracts.params import EvaluationParams
from merflow.evaluation.report import results_table, write_report

CLASSES = ("angry", "happy", "neutral", "sad")
NAMES = ("context-mmt:mmt-frozen", "context-mmt:mmt-finetuned", "context-mmt:text-only")


def _variant(ua: float) -> dict[str, Any]:
    figure = {"mean": ua, "std": 0.02, "pooled": ua, "ci95": [ua - 0.05, ua + 0.05]}
    fold = {"seed": 0, "utterances": 40, "WA": ua, "macro_f1": ua, "weighted_f1": ua, "ece": 0.1, "best_epoch": 2}
    return {
        "UA": figure,
        "WA": figure,
        "macro_f1": ua,
        "weighted_f1": ua,
        "ece": 0.1,
        "per_class_recall": dict.fromkeys(CLASSES, ua),
        "confusion": (np.eye(4, dtype=int) * 30 + 5).tolist(),
        "chance": {"UA": 0.25, "WA": 0.3},
        "folds": [{**fold, "fold": k, "UA": ua + k / 100, "dev_ua": 0.5, "dev_loss": 1.0} for k in (1, 2, 3)],
        "selection": "lowest dev_loss",
        "stages": ["frozen"],
        "stages_of_preset": ["frozen"],
        "over_seeds": {"UA": {"mean": ua, "std": None}, "WA": {"mean": ua, "std": None}, "each": []},
        "none_paper": None,
        "missing": {},
        "transcripts": "truth",
        "transcripts_of_preset": "truth",
        "published": {},
    }


@pytest.fixture
def results() -> dict[str, Any]:
    variants = {name: _variant(ua) for name, ua in zip(NAMES, (0.7, 0.6, 0.5), strict=True)}
    variants[NAMES[1]] |= {"published": {"UA": 77.25, "WA": 76.5}, "stages_of_preset": ["frozen", "partial"]}
    pairs = [(0, 1, 0.1, 0.21), (0, 2, 0.2, 0.003), (1, 2, 0.1, 0.21)]
    return {
        "corpus": "synthetic",
        "manifest_hash": "0123456789abcdef",
        "split_id": "fedcba9876543210",
        "protocol": "session-5fold",
        "classes": list(CLASSES),
        "class_counts": [35, 36, 37, 38],
        "utterances": 146,
        "dialogues": 12,
        "seeds": [0],
        "evaluation": EvaluationParams(bootstrap_samples=2000, bootstrap_seed=0, calibration_bins=15).model_dump(),
        "resamples": 2000,
        "variants": variants,
        "comparisons": [
            {"a": NAMES[a], "b": NAMES[b], "delta_UA": delta, "ci95": [-0.01, 0.2], "p_bootstrap": p / 3,
             "p_mcnemar": 0.0001, "p_holm": p}
            for a, b, delta, p in pairs
        ],
    }  # fmt: skip


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
    figure = {"mean": 0.75, "std": 0.01, "pooled": 0.75, "ci95": [0.7, 0.8]}
    bias = {"pooled": 0.05, "ci95": [0.01, 0.09]}
    results["variants"][NAMES[0]] |= {
        "none_paper": {"promotable": False, "UA": figure, "WA": figure, "bias": {"UA": bias, "WA": bias}},
        "missing": {"audio": {"UA": figure | {"pooled": 0.4}, "WA": figure, "delta_UA": -0.3}},
    }
    page, _ = _written(results, tmp_path / "report.html")
    assert {"bias", "missing"} <= set(page.ids)
    assert f"{NAMES[0]} 70.0 75.0 +5.0 +1.0 to +9.0 75.0 +5.0" in page.text
    assert "no such model can be promoted" in page.text
    assert "70.0 40.0\N{MINUS SIGN}30.0" in page.text


def test_seeds_get_a_column_where_there_are_several(results: dict[str, Any], tmp_path: Path) -> None:
    assert "UA by seed" not in _written(results, tmp_path / "one.html")[0].text
    for variant in results["variants"].values():
        variant["over_seeds"]["UA"] = {"mean": 0.66, "std": 0.012}
        variant["folds"] = [{**fold, "seed": seed} for fold in variant["folds"] for seed in (0, 2)]
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
    variant = _variant(0.5)
    variant["UA"] = {**variant["UA"], "std": None, "ci95": None}
    variant["folds"] = [{**variant["folds"][0], "best_epoch": None, "dev_ua": None, "dev_loss": None}]
    page, html = _written(
        {**results, "variants": {NAMES[0]: variant}, "comparisons": []}, tmp_path / "r.html", histories={}
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


def test_words_that_the_preset_did_not_ask_for_are_told(results: dict[str, Any], tmp_path: Path) -> None:
    results["variants"][NAMES[1]]["transcripts_of_preset"] = "asr"
    note = "read true transcripts; the preset asks for recognised words"
    page, _ = _written(results, tmp_path / "report.html")
    assert page.text.count(note) == 2  # in the table and beside the learning curves
    assert f"{NAMES[1]} {note}" in " ".join(terminal(results)[4:])


def test_the_terminal_tells_how_the_epochs_were_chosen(results: dict[str, Any]) -> None:
    caption = " ".join(terminal(results)[4:])
    assert caption.endswith("epoch chosen by lowest dev_loss")
    results["variants"][NAMES[1]]["selection"] = "highest dev_ua"
    caption = " ".join(terminal(results)[4:])
    assert caption.endswith(f"lowest dev_loss ({NAMES[0]}, {NAMES[2]}); highest dev_ua ({NAMES[1]})")
