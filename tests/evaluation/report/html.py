"""A report's page, read without a browser."""

import json
import re
from html.parser import HTMLParser
from typing import Any


class ReadPage(HTMLParser):
    """Tags that are open, all ids, links, charts and texts."""

    VOID = ("meta", "br", "link", "img", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.figures: dict[str, Any] = {}
        self.text = ""
        self._script = ""

    @classmethod
    def of(cls, html: str) -> "ReadPage":
        """Return the page of this text; runs of blanks count as one."""
        page = cls()
        page.feed(html)
        page.text = re.sub(r"\s+", " ", page.text)
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.open += [] if tag in self.VOID else [tag]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [value or "" for key, value in attrs if key in ("href", "src", "srcset", "action", "poster")]
        self._script = found.get("id") or "" if tag == "script" else ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Handle a tag that closes itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._script.startswith("figure-") and self.open[-1] == "script":
            self.figures[self._script.removeprefix("figure-")] = json.loads(data)
        elif self.open and self.open[-1] not in ("script", "style"):
            self.text += data
