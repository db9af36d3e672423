"""A corpus of five sessions, as rows and as a manifest, without media."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from merflow.contracts.split_params import SplitParams
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest, build_manifest

LABELS = ("ang", "hap", "exc", "neu", "sad", "xxx")
Row = dict[str, Any]


def corpus_rows(*, sessions: int = 5, dialogues: int = 4, turns: int = 24) -> list[Row]:
    """Two speakers a session who take turns; the second half of the dialogues is scripted, with equal words."""
    rows = []
    for session in range(1, sessions + 1):
        for dialogue in range(dialogues):
            scripted = dialogue >= dialogues // 2
            for turn in range(turns):
                speaker = f"S{session}_{'FM'[turn % 2]}"
                raw = LABELS[(turn // 2 + dialogue) % len(LABELS)]
                words = f"line {turn} of script {dialogue}" if scripted else f"word {session} {dialogue} {turn}"
                rows.append(
                    {
                        "utterance_id": f"d{session}{dialogue}_{speaker[-1]}{turn:03}",
                        "dialogue_id": f"d{session}{dialogue}",
                        "turn_index": turn,
                        "session": f"Session{session}",
                        "speaker": speaker,
                        "scripted": scripted,
                        "transcript": words,
                        "emotion_raw": raw,
                        "emotion": taxonomy("iemocap4").emotion_of(raw),
                    }
                )
    return rows


def manifest_of(rows: list[Row]) -> Manifest:
    return build_manifest(rows, root=Path("/corpus"), corpus="table", taxonomy="iemocap4")


def changed(change: Callable[[Row], Row]) -> Manifest:
    return manifest_of([{**row, **change(row)} for row in corpus_rows()])


def params(**changes: Any) -> SplitParams:  # noqa: ANN401 - any setting
    settings: dict[str, Any] = {
        "task": "emotion",
        "protocol": "session-5fold",
        "folds": 5,
        "development": "speaker",
        "min_dev_per_class": 5,
        "random_share": 0.1,
        "seed": 0,
        "improvised_only": False,
        "shared_speakers": "refuse",
    }
    return SplitParams(**(settings | changes))
