"""Model cards as they are written: the Markdown, and the text of the page."""

from html.parser import HTMLParser
from pathlib import Path

from merflow.promotion.card.page import write_card

_VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """The text of a page, its links, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.extend(filter(None, [values.get("id")]))
        self.links.extend(filter(None, [values.get("href"), values.get("src")]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Do nothing: the shapes of a picture close themselves."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def cards(folder: Path) -> tuple[str, str]:
    """Write a card and return its Markdown and its page's text."""
    md, html = write_card(folder)
    page = Page(html.read_text(encoding="utf-8"))
    assert page.open == []
    return md.read_text(encoding="utf-8"), page.text
