"""A corpus of two sessions, with one dialogue of six turns each, and its validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from merflow.contracts.params import CorpusParams
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import build_manifest
from merflow.corpus.validation.expectations import validate
from merflow.corpus.validation.outcome import ValidationOutcome

PARAMS = CorpusParams(
    taxonomy=taxonomy("iemocap4"),
    min_duration_s=0.2,
    max_duration_s=60.0,
    silence_dbfs=-60.0,
    max_clipped_share=0.01,
    resample=False,
    tags="drop",
    accept=[],
)
LABELS = ("ang", "hap", "exc", "neu", "sad", "xxx")
RATE_HZ = 16_000
TURNS = 6
Row = dict[str, Any]


def voice(samples: int = 8000, *, amplitude: float = 0.3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-amplitude, amplitude, samples)


def corpus_rows() -> list[Row]:
    """Return the rows of two sessions, each with two speakers and one dialogue of six turns."""
    return [
        {
            "utterance_id": f"d{session}_{turn}",
            "dialogue_id": f"d{session}",
            "turn_index": turn,
            "session": f"Session{session}",
            "speaker": f"S{session}_{'FM'[turn % 2]}",
            "gender": "FM"[turn % 2],
            "start_s": float(turn),
            "end_s": turn + 0.5,
            "audio_path": f"d{session}_{turn}.wav",
            "transcript": "[LAUGHTER]" if turn == 5 else "some words",
            "emotion_raw": LABELS[turn],
            "emotion": taxonomy("iemocap4").emotion_of(LABELS[turn]),
            "n_samples": 8000,
            "rate_hz": RATE_HZ,
        }
        for session in (1, 2)
        for turn in range(TURNS)
    ]


def write_recordings(folder: Path) -> Path:
    """Write the recordings of the corpus; return their folder."""
    folder.mkdir()
    for row in corpus_rows():
        soundfile.write(folder / row["audio_path"], voice(), RATE_HZ)
    return folder


def checked(root: Path, rows: Sequence[Row] | None = None, *, corpus: str = "table") -> ValidationOutcome:
    manifest = build_manifest(corpus_rows() if rows is None else rows, root=root, corpus=corpus, taxonomy="iemocap4")
    return validate(manifest, params=PARAMS, docs=root.parent / "docs")


def details(outcome: ValidationOutcome) -> list[tuple[str | None, str]]:
    return [(problem.utterance_id, problem.detail) for problem in outcome.problems]
