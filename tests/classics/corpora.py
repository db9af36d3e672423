"""Small corpora of words whose classics a reader can check by hand."""

from pathlib import Path

from merflow.contracts.params_files import shipped_params
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.splitting.splits import Splits, make_splits

_CLASSES = ("angry", "happy", "neutral", "sad")
SPLITS = shipped_params().splits.model_copy(
    update={"task": "emotion", "protocol": "session-5fold", "development": "session"}
)


def corpus_of_words(root: Path, *, lines: int = 8, scripted: bool = True) -> Manifest:
    """Return five sessions, each with an improvised dialogue and with a script that all sessions repeat."""
    rows = []
    for session in range(1, 6):
        for setting in ("impro", "script")[: 2 if scripted else 1]:
            for turn in range(lines):
                emotion = _CLASSES[turn % 4]
                told = f"i am so {emotion} about it today number {session}{turn}"
                learned = f"line number{turn} of the script that every session says"
                rows.append(
                    {
                        "utterance_id": f"S{session}_{setting}_{turn}",
                        "dialogue_id": f"S{session}_{setting}",
                        "turn_index": turn,
                        "session": f"S{session}",
                        "speaker": f"S{session}",
                        "scripted": setting == "script",
                        "transcript": told if setting == "impro" else learned,
                        "emotion_raw": emotion,
                        "emotion": emotion,
                    }
                )
    return build_manifest(rows, root=root, corpus="table", taxonomy="iemocap4")


def splits_of(manifest: Manifest) -> Splits:
    """Return the five folds of the sessions."""
    return make_splits(manifest, params=SPLITS)
