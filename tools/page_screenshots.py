"""Screenshots of a page written by merflow, for the docs, taken with Debian's Chromium.

``python -m tools.page_screenshots PAGE NAME --out docs/images`` takes ``NAME.png`` at desktop width in
light mode, and ``NAME-dark.png`` and ``NAME-phone.png`` in dark mode.
"""

import argparse
from pathlib import Path

from tools.report_screenshots import DESKTOP, PHONE, Scheme, browser, open_page

_PICTURES: tuple[tuple[str, int, Scheme], ...] = (
    ("", DESKTOP, "light"),
    ("-dark", DESKTOP, "dark"),
    ("-phone", PHONE, "dark"),
)


def take(page: Path, name: str, *, out: Path, keys: str, whole: bool) -> list[Path]:
    """Take the screenshots and return their paths.

    Args:
        page: The page.
        name: Name of the screenshots.
        out: Folder of the screenshots.
        keys: Keys to press first, one after the other.
        whole: True for the whole page, False for the visible part.
    """
    out.mkdir(parents=True, exist_ok=True)
    taken = []
    with browser() as opened:
        for ending, width, scheme in _PICTURES:
            with open_page(opened, page.resolve().as_uri(), width=width, scheme=scheme) as shown:
                for key in keys:
                    shown.keyboard.press(key)
                path = out / f"{name}{ending}.png"
                shown.screenshot(path=path, full_page=whole)
                taken.append(path)
    return taken


def main() -> None:
    """Take the screenshots that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="the page")
    parser.add_argument("name", help="name of the screenshots")
    parser.add_argument("--out", type=Path, required=True, help="folder of the screenshots")
    parser.add_argument("--keys", default="", help="keys to press first, one after the other")
    parser.add_argument("--whole", action="store_true", help="take the whole page, not only the visible part")
    arguments = parser.parse_args()
    for path in take(arguments.page, arguments.name, out=arguments.out, keys=arguments.keys, whole=arguments.whole):
        print(path)


if __name__ == "__main__":
    main()
