"""The look of the tables that commands print."""

from rich.table import Table


def lineless_table(caption: str = "") -> Table:
    """Return a table without lines, with bold heads; the caption stands below it at the left."""
    return Table(
        box=None, pad_edge=False, header_style="bold", caption=caption.rstrip() or None, caption_justify="left"
    )
