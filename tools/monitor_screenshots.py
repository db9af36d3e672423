"""Screenshots of a page of ``merflow monitor`` for the docs.

``python -m tools.monitor_screenshots PAGE --out docs/images`` takes it at desktop width, light and dark, and as a phone
shows it.
"""

import argparse
from pathlib import Path

from tools.report_screenshots import DESKTOP, PHONE, browser, open_page


def take(page: Path, *, out: Path) -> list[Path]:
    """Write the pictures and return their paths.

    Args:
        page: The page.
        out: Folder of the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    taken = []
    with browser() as opened:
        for name, width, scheme in (
            ("monitor-light", DESKTOP, "light"),
            ("monitor-dark", DESKTOP, "dark"),
            ("monitor-phone", PHONE, "light"),
        ):
            with open_page(opened, page.resolve().as_uri(), width=width, scheme=scheme) as shown:  # type: ignore[arg-type]
                path = out / f"{name}.png"
                shown.screenshot(path=path, full_page=True)
                taken.append(path)
    return taken


def main() -> None:
    """Take the screenshots that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="page of merflow monitor")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    arguments = parser.parse_args()
    for path in take(arguments.page, out=arguments.out):
        print(path)


if __name__ == "__main__":
    main()
