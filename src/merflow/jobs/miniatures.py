"""Miniature encoders, which use the same code as the pretrained ones without a download."""

from pathlib import Path


def miniatures(out: Path) -> tuple[Path, ...]:
    """Write one folder per encoder of the profiles ``paper`` and ``tiny`` into ``out``, and return the folders.

    Raises:
        OutputError: The folder cannot be written.
    """
    from merflow.features.encoders.huggingface.miniature import build_miniatures

    return build_miniatures(out)
