"""The page as its readers have it: Debian's Chromium, a keyboard, a phone, the dark, paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")

from merflow.evaluation.inspection_file import FoldInspection, InspectedUtterance, ModuleAverages, NamedArray
from merflow.evaluation.report.origin import Origin
from merflow.evaluation.report.page import write_report
from tests.contracts.records import epoch
from tests.evaluation.finished import (
    CLASSES,
    NAMES,
    PAPERS,
    changed,
    comparison,
    results_of_three,
    side_columns,
    variant,
    with_statistics,
)
from tools.report_screenshots import CHROMIUM, DESKTOP, PHONE, Scheme, browser, open_page, wait_for_charts

pytestmark = pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"Debian's chromium is not installed ({CHROMIUM})")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page with every section and a variant of a second model."""
    results = changed(with_statistics(results_of_three()), NAMES[0], **side_columns())
    pairs = [comparison(name, "mfdr:full", delta_ua=0.1, p=0.21) for name in NAMES]
    results = results.model_copy(
        update={
            "variants": {**results.variants, "mfdr:full": variant(0.4)},
            "comparisons": (*results.comparisons, *pairs),
        }
    )
    random = np.random.default_rng(0)
    gate = {"gate": NamedArray(random.random(6), ("speech",))}
    seen = InspectedUtterance("u7", "hello", "sad", dict.fromkeys(CLASSES, 0.25), gate, {})
    inspected = FoldInspection(
        CLASSES * 10, random.normal(size=(40, 5)), {"layers": ModuleAverages(random.random((40, 3)), "layer")}, (seen,)
    )
    history = {(fold, 0): [epoch(number) for number in (1, 2, 3)] for fold in (1, 2, 3)}
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(
        results,
        path,
        origin=Origin(
            title="demo",
            command=f"merflow benchmark --models {','.join(NAMES)} --set {'x' * 200}",
            identity={"corpus": "synthetic", "a long value": "0123456789abcdef" * 20},
        ),
        histories=dict.fromkeys(results.variants, history),
        papers=PAPERS,
        inspections={NAMES[0]: ("fold 1", inspected)},
    )
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@contextmanager
def opened(chromium: Any, report: Path, *, width: int = DESKTOP, scheme: Scheme = "light") -> Iterator[Any]:  # noqa: ANN401
    """Open the page with its charts ready; it makes no requests and raises no errors."""
    problems: list[str] = []
    with open_page(chromium, "about:blank", width=width, scheme=scheme) as page:
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: problems.append(asked.url) if not _own(asked.url, report) else None)
        page.goto(report.as_uri())
        wait_for_charts(page)
        yield page
    assert problems == []


def _own(url: str, report: Path) -> bool:
    return url == report.as_uri() or url.startswith(("data:", "blob:null"))


def order(page: Any) -> list[str]:  # noqa: ANN401
    """Return the visible variants of the leaderboard, from the top."""
    names: list[str] = page.locator("#leaderboard tbody tr:visible th a").all_inner_texts()
    return names


def sorted_by(page: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Return the headers by which the leaderboard is sorted, with the direction."""
    heads = page.locator("#leaderboard thead [aria-sort]").all()
    return [(head.inner_text().strip(), head.get_attribute("aria-sort")) for head in heads]


def test_the_table_is_sorted_by_click(chromium: Any, report: Path) -> None:  # noqa: ANN401
    best_first = [*NAMES, "mfdr:full"]
    with opened(chromium, report) as page:
        assert order(page) == best_first
        assert sorted_by(page) == [("UA", "descending")]
        head = page.locator("#leaderboard button", has_text="UA").first
        head.click()
        assert order(page) == best_first[::-1]
        assert sorted_by(page) == [("UA", "ascending")]
        page.locator("#leaderboard button", has_text="Variant").click()
        assert order(page) == sorted(best_first)
        assert sorted_by(page) == [("Variant", "ascending")]
        page.locator("#leaderboard button", has_text="Paper").click()
        assert order(page)[0] == NAMES[1], "the only one with a paper's figure; nothing comes last"


def test_the_table_is_sorted_and_filtered_with_the_keyboard_alone(chromium: Any, report: Path) -> None:  # noqa: ANN401
    with opened(chromium, report) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip", "first a way past the navigation"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "model"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert order(page) == ["mfdr:full"]
        assert page.locator(".count").inner_text() == "1 of 4 variants"
        page.keyboard.press("ArrowLeft")
        assert order(page) == list(NAMES)
        for _ in range(3):  # the scrolling region, the head of the names, that of UA
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "UA"
        page.keyboard.press("Enter")
        assert sorted_by(page) == [("UA", "ascending")]
        assert order(page) == list(NAMES)[::-1]
        page.keyboard.press("Space")
        assert order(page) == list(NAMES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_every_section_opens_and_every_chart_is_drawn(
    chromium: Any,  # noqa: ANN401
    report: Path,
    width: int,
    scheme: Scheme,
) -> None:
    with opened(chromium, report, width=width, scheme=scheme) as page:
        links = page.locator("nav a").all()
        assert len(links) == 16
        for link in links:
            target = page.locator(link.get_attribute("href"))
            link.click()
            assert target.is_visible()
        parts = page.locator("main details").all()
        assert len(parts) > 10
        for part in parts:
            if part.get_attribute("open") is None:
                part.locator("> summary").click()
            assert part.get_attribute("open") is not None
        charts = page.locator(".chart").all()
        assert len(charts) == 1 + 1 + 3 + 8 + 1
        for chart in charts:
            chart.scroll_into_view_if_needed()
            chart.locator(".main-svg").first.wait_for()
            box = chart.bounding_box()
            assert box["width"] <= width
            assert box["height"] >= 200
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide == [width, width], "no part makes the page scroll sideways"


def test_a_phone_orders_its_cards_by_a_list(chromium: Any, report: Path) -> None:  # noqa: ANN401
    with opened(chromium, report, width=PHONE) as page:
        assert not page.locator("#leaderboard thead").is_visible()
        page.select_option("select[data-table=leaderboard]", label="Variant")
        assert order(page) == sorted([*NAMES, "mfdr:full"])
    with opened(chromium, report) as page:
        assert not page.locator("select[data-table=leaderboard]").is_visible()


def test_the_dark_has_light_ink_on_the_page_and_in_its_charts(chromium: Any, report: Path) -> None:  # noqa: ANN401
    def lightness(page: Any, script: str) -> float:  # noqa: ANN401
        red, green, blue = map(int, page.evaluate(script).removeprefix("rgb(").rstrip(")").split(",")[:3])
        return (red + green + blue) / 3

    paper, ink = "getComputedStyle(document.body).backgroundColor", "getComputedStyle(document.body).color"
    tick = "getComputedStyle(document.querySelector('#spread .xtick text')).fill"
    with opened(chromium, report) as page:
        page.locator("#spread .chart").scroll_into_view_if_needed()
        page.locator("#spread .xtick text").first.wait_for()
        assert lightness(page, paper) > 200 > 80 > lightness(page, ink)
        assert lightness(page, tick) < 80
        page.emulate_media(color_scheme="dark")
        for _ in range(50):  # the page forbids `eval`, and with it Playwright's own way to wait for a value
            page.wait_for_timeout(100)
            if lightness(page, tick) > 80:
                break
        assert lightness(page, paper) < 80 < 200 < lightness(page, ink)
        assert lightness(page, tick) > 200


def test_paper_has_every_part_and_every_chart(chromium: Any, report: Path) -> None:  # noqa: ANN401
    with opened(chromium, report, scheme="dark") as page:
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not(.numbers):not([open])").count() == 0
        assert page.locator(".chart .main-svg").count() >= page.locator(".chart").count() == 14
        assert not page.locator("nav").is_visible()
        ink = page.evaluate("getComputedStyle(document.querySelector('#spread .xtick text')).fill")
        assert ink == "rgb(0, 0, 0)"
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not(.numbers):not([open])").count() > 0
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_every_number_is_shown_without_javascript(chromium: Any, report: Path) -> None:  # noqa: ANN401
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert order(page) == [*NAMES, "mfdr:full"]
    assert "Without JavaScript, charts stay empty" in page.locator("#answer").inner_text()
    context.close()
