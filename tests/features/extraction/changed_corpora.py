"""Small corpora with one change: another value in the manifest, or a recording that is cut off."""

from pathlib import Path

from merflow.corpus.manifest import Manifest


def changed(manifest: Manifest, column: str, row: int, value: object) -> Manifest:
    rows = manifest.rows.copy()
    rows.loc[row, column] = value
    return Manifest(rows=rows, root=manifest.root, corpus=manifest.corpus, taxonomy=manifest.taxonomy)


def truncate(manifest: Manifest, row: int) -> Path:
    path: Path = manifest.root / manifest.rows["audio_path"][row]
    path.write_bytes(path.read_bytes()[:600])
    return path
