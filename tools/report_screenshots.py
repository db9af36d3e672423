"""Screenshots of pages for the docs, taken with Debian's Chromium.

``python -m tools.report_screenshots REPORT --out docs/report`` captures a report at desktop and phone width, in
light and dark mode, and as a printed page. Other pages, such as MLflow's, use :func:`browser` and :func:`open_page`.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# No account, no updates, no background traffic: the browser makes only the page's own requests.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
DESKTOP, PHONE = 1280, 390
_HEIGHT = {DESKTOP: 900, PHONE: 844}

Scheme = Literal["light", "dark"]


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a fresh browser without a profile.

    Raises:
        playwright.sync_api.Error: Chromium cannot be started, for example because it is not installed.
    """
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def open_page(opened: Browser, url: str, *, width: int = DESKTOP, scheme: Scheme = "light") -> Iterator[Page]:
    """Open a page at this width in pixels, at device scale factor 2."""
    context = opened.new_context(
        viewport={"width": width, "height": _HEIGHT.get(width, 900)},
        color_scheme=scheme,
        device_scale_factor=2,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()


def wait_for_charts(page: Page) -> None:
    """Wait until a report's charts are ready and the visible ones are drawn."""
    page.wait_for_selector("html[data-charts=ready]", state="attached")
    page.wait_for_timeout(500)


def report_screenshots(report: Path, out: Path) -> list[Path]:
    """Capture the top of a report at desktop and phone width, in light and dark mode, and print the whole report.

    Returns:
        ``desktop-light.png``, ..., ``paper.pdf`` in ``out``.
    """
    out.mkdir(parents=True, exist_ok=True)
    taken = []
    with browser() as opened:
        for width, name in ((DESKTOP, "desktop"), (PHONE, "phone")):
            for scheme in ("light", "dark"):
                with open_page(opened, report.resolve().as_uri(), width=width, scheme=scheme) as page:
                    wait_for_charts(page)
                    taken.append(out / f"{name}-{scheme}.png")
                    page.screenshot(path=taken[-1])
        with open_page(opened, report.resolve().as_uri()) as page:
            wait_for_charts(page)
            taken.append(out / "paper.pdf")
            page.pdf(path=taken[-1], format="A4")
    return taken


def main() -> None:
    """Run ``python -m tools.report_screenshots``."""
    parser = argparse.ArgumentParser(
        description="Take screenshots of a report at desktop and phone width, and print its pages."
    )
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/report"))
    chosen = parser.parse_args()
    for path in report_screenshots(chosen.report, chosen.out):
        print(path)


if __name__ == "__main__":
    main()
