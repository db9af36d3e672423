"""Screenshots of a running server's page for the docs, taken with Debian's Chromium.

``python -m tools.serve_screenshots http://127.0.0.1:8080 RECORDING --out docs/serving`` sends a recording, and
captures the answer at desktop width in light mode and at phone width in dark mode.
"""

import argparse
from pathlib import Path

from tools.report_screenshots import DESKTOP, PHONE, Scheme, browser, open_page

_PICTURES: tuple[tuple[str, int, Scheme], ...] = (("desktop-light", DESKTOP, "light"), ("phone-dark", PHONE, "dark"))


def main() -> None:
    """Take the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with browser() as opened:
        for name, width, scheme in _PICTURES:
            with open_page(opened, arguments.url, width=width, scheme=scheme) as page:
                page.locator("#clip-form:visible").wait_for()
                page.set_input_files("#file", arguments.recording)
                page.locator("#answer-title:visible").wait_for()
                path = arguments.out / f"{name}.png"
                page.screenshot(path=path, full_page=True)
                print(path)


if __name__ == "__main__":
    main()
