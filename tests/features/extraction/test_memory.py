"""The memory of an extraction, which does not grow with the corpus."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from merflow.corpus.manifest import build_manifest, write_manifest

# Extracts a manifest and says how much memory the process had at most, in MiB.
PROGRAM = """
import resource
import sys
from pathlib import Path
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.extraction.stored_streams import Pace, extract_streams
manifest, store = map(Path, sys.argv[1:])
extract_streams(
    read_manifest(manifest),
    streams=(Stream("speech"),),
    profile={"speech": EncoderSpec(name="lite-speech", settings={"mel_bands": 80, "window_s": 0.4})},
    store=store,
    shard_utterances=16,
    pace=Pace(workers=1, batch_cost={"audio": 2000}),
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _peak_mib(folder: Path, *, utterances: int) -> tuple[float, float]:
    """Return the peak memory of an extraction and the size of its store, in MiB."""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for turn in range(utterances):
        path = folder / f"u{turn:04d}.wav"
        sf.write(path, 0.1 * random.standard_normal(32_000), 16_000)
        rows.append(
            {
                "utterance_id": path.stem,
                "dialogue_id": "d",
                "turn_index": turn,
                "session": "Session1",
                "speaker": "S",
                "audio_path": path.name,
            }
        )
    write_manifest(build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4"), folder / "m.parquet")
    command = [sys.executable, "-c", PROGRAM, str(folder / "m.parquet"), str(folder / "store")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    stored = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return float(told), stored / 2**20


def test_ten_times_the_utterances_need_no_more_memory(tmp_path: Path) -> None:
    few, _ = _peak_mib(tmp_path / "few", utterances=60)
    many, stored = _peak_mib(tmp_path / "many", utterances=600)
    assert stored > 28  # what it would grow by if it kept what it stores, and twice that in float32
    assert many - few < 12
