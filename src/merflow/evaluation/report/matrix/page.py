"""The page of a matrix of corpora, and its picture."""

import base64
import io
from pathlib import Path

from merflow.contracts.corpus_matrix import CorpusMatrix
from merflow.evaluation.report.html import rendered
from merflow.evaluation.report.matrix.figure import matrix_figure
from merflow.evaluation.report.matrix.wording import (
    headline,
    interval_text,
    outcome,
    split_of,
    statements,
    value_text,
)
from merflow.evaluation.report.origin import Origin
from merflow.storage.local import replacing

_DPI = 150


def write_matrix_report(matrix: CorpusMatrix, out: Path, *, origin: Origin) -> None:
    """Write ``report.html``, with links to the reports of the cells next to it, and its figure as ``matrix.png``.

    Args:
        matrix: The figures.
        out: Folder of the matrix.
        origin: Title, command and identity of the run.

    Raises:
        OutputError: The folder cannot be written.
    """
    picture = io.BytesIO()
    # Without a date, so that the same matrix gives the same bytes.
    matrix_figure(matrix).savefig(picture, format="png", dpi=_DPI, metadata={"Software": None})
    with replacing(out / "matrix.png") as part:
        part.write_bytes(picture.getvalue())
    page = rendered(
        "matrix/matrix.html.j2",
        matrix=matrix,
        origin=origin,
        headline=headline(matrix),
        outcome=outcome(matrix),
        statements=statements(matrix),
        picture=base64.b64encode(picture.getvalue()).decode(),
        rows=[
            {
                "variant": variant,
                "cell": cell,
                "value": value_text(matrix, cell.figures[variant]),
                "interval": interval_text(matrix, cell.figures[variant]),
                "split": split_of(cell),
            }
            for variant in matrix.variants
            for cell in matrix.cells
        ],
    )
    with replacing(out / "report.html") as part:
        part.write_text(page, encoding="utf-8")
