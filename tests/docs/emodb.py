"""Noise under the names of EmoDB's recordings, for the pages that read that corpus."""

from pathlib import Path

import numpy as np
import soundfile

SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")


def write_emodb(root: Path) -> int:
    """Write noise under the names of EmoDB, one recording per speaker and emotion; return how many."""
    rng = np.random.default_rng(0)
    (root / "wav").mkdir(parents=True)
    names = [f"{speaker}a01{emotion}a" for speaker in SPEAKERS for emotion in "WLEAFTN"]
    for name in names:
        soundfile.write(root / "wav" / f"{name}.wav", rng.normal(0, 0.1, 8000).astype(np.float32), 16_000)
    return len(names)
