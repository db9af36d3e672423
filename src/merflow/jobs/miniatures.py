"""Miniature encoders, for trying the pretrained code path without a download."""

from pathlib import Path


def miniatures(out: Path) -> tuple[Path, ...]:
    """Writes one folder an encoder of the profiles ``paper`` and ``tiny`` into ``out``.

    Raises:
        OutputError: The folder cannot be written.
    """
    from merflow.features.encoders.huggingface.miniature import build_miniatures

    return build_miniatures(out)
