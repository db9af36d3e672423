from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import Manifest, build_manifest

SPEECH = Stream("speech_layers", clip_s=1.0, skip_silence=True)
FRAMES = Stream("speech")
TEXT = Stream("text_layers", pooled=True, neighbours=2)

MakeCorpus = Callable[..., Manifest]


def tone(seed: int, *, duration_s: float) -> np.ndarray:
    """Return a gliding harmonic tone with noise."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * 16_000)) / 16_000
    phase = 2 * np.pi * (100 + 20 * (seed % 7)) * time_s * (1 + 0.1 * time_s)
    voice = sum(np.sin(k * phase) / k for k in range(1, 6))
    return (0.1 * voice + 0.005 * random.standard_normal(len(time_s))).astype(np.float32)


@pytest.fixture(scope="session")
def profile() -> Profile:
    return {
        "speech": EncoderSpec(name="lite-speech", settings={"mel_bands": 12, "window_s": 0.4}),
        "speech_layers": EncoderSpec(
            name="lite-speech-layers", settings={"mel_bands": 12, "layers": 2, "window_s": 0.2, "growth": 4.0}
        ),
        "text": EncoderSpec(name="lite-text", settings={"width": 32}),
        "text_layers": EncoderSpec(name="lite-text-layers", settings={"width": 32, "layers": 2}),
    }


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Return a function that writes two dialogues of recordings and their manifest; the last turn has no words."""

    def make(name: str = "corpus", *, turns: int = 7, first_seed: int = 0, text: bool = True) -> Manifest:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        emotions = ["angry", "happy", "neutral", "sad"]
        rows = []
        for turn in range(2 * turns):
            dialogue, index = divmod(turn, turns)
            path = root / f"d{dialogue}_{index:02d}.wav"
            sf.write(path, tone(first_seed + turn, duration_s=0.3 + 0.1 * (turn % 5)), 16_000)
            words = "" if index == turns - 1 else f"turn {index} of dialogue {dialogue}, well"
            rows.append(
                {
                    "utterance_id": f"{name}_d{dialogue}_{index:02d}",
                    "dialogue_id": f"{name}_d{dialogue}",
                    "turn_index": index,
                    "session": f"Session{dialogue + 1}",
                    "speaker": f"S{dialogue}",
                    "audio_path": path.name,
                    "transcript": words if text else None,
                    "emotion": emotions[turn % 4],
                }
            )
        return build_manifest(rows, root=root, corpus="table", taxonomy="iemocap4")

    return make
