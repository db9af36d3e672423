"""The audit as one self-contained HTML page."""

from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from merflow.promotion.registry.audit import Audit
from merflow.promotion.registry.lines import audit_lines
from merflow.promotion.registry.state import CANDIDATE, CHAMPION, PREVIOUS
from merflow.storage.local import replacing


def write_audit_page(audited: Audit, path: Path) -> None:
    """Write the page, the newest event first.

    Raises:
        OutputError: The file cannot be written.
    """
    template = files("merflow.promotion.registry").joinpath("audit.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template).render(
        audit=audited, lines=audit_lines(audited.entries)[::-1], order=(CHAMPION, PREVIOUS, CANDIDATE)
    )
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
