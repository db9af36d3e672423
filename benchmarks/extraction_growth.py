"""The cost of an extraction in time and memory as the corpus grows from a thousand to 100,000 utterances.

Short recordings and texts, all different, and encoders that do almost nothing: this measures everything around the
encoder, which must not grow with the corpus or with its square. Each size runs in a fresh process, from an empty store,
with the readers and batches of ``params.yaml``. Memory is the peak beyond what the process needs with its code loaded,
and the peak of one reader in total. The last row fills every buffer: utterances with IEMOCAP's lengths, and 25 layers
of features that pass through all of them.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.extraction import PARAMS, RATE_HZ, durations_s
from benchmarks.record import write_result
from merflow.corpus.manifest import build_manifest, write_manifest


@dataclass(frozen=True)
class Growth:
    """One row of the table.

    Attributes:
        utterances: Number of utterances.
        seconds: Length of every recording; None for IEMOCAP's spread.
        layers: Number of speech layers stored.
        bands: Mel bands behind each layer.
    """

    utterances: int
    seconds: float | None = 0.1
    layers: int = 1
    bands: int = 8


ROWS = {
    "1,000 short": Growth(1_000),
    "10,000 short": Growth(10_000),
    "100,000 short": Growth(100_000),
    "500 as IEMOCAP's, 25 layers": Growth(500, seconds=None, layers=25, bands=80),
}

# Extracts a manifest and tells seconds and memory (MiB) as JSON.
PROGRAM = """
import json, multiprocessing, re, sys, time
from pathlib import Path
from merflow.contracts.params_files import read_params
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.extraction.stored_streams import Pace, extract_streams

manifest, store, params = map(Path, sys.argv[1:4])
layers, bands = map(int, sys.argv[4:])
speech = {"mel_bands": bands, "layers": layers, "window_s": 0.05, "growth": 1.2}
features = read_params(params).features

def mib(process, what):
    return int(re.search(what + r":\\s+(\\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024

def look(stage, done, total):
    if done == total:
        readers.extend(mib(child.pid, "VmHWM") for child in multiprocessing.active_children())

readers = []
resident = mib("self", "VmRSS")
found = read_manifest(manifest)
began = time.perf_counter()
stored = extract_streams(
    found,
    streams=(Stream("speech_layers"), Stream("text")),
    profile={
        "speech_layers": EncoderSpec(name="lite-speech-layers", settings=speech),
        "text": EncoderSpec(name="lite-text", settings={"width": 16}),
    },
    store=store,
    shard_utterances=features.shard_utterances,
    pace=Pace(workers=features.workers, batch_cost=features.batch_cost.model_dump()),
    progress=look,
)
assert [one.entries for one in stored] == [len(found.rows)] * 2
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "grown_mib": mib("self", "VmHWM") - resident, "reader_mib": max(readers)}))
"""


def write_corpus(folder: Path, growth: Growth) -> Path:
    """Write recordings of noise with words, and their manifest."""
    random = np.random.default_rng(0)
    count = growth.utterances
    seconds = durations_s(count) if growth.seconds is None else np.full(count, growth.seconds)
    rows = []
    for turn in range(count):
        name = f"{turn // 1000:03d}/u{turn:06d}"
        path = folder / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        samples = (3000 * random.standard_normal(round(seconds[turn] * RATE_HZ))).astype(np.int16)
        soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
        facts: dict[str, Any] = {"utterance_id": path.stem, "turn_index": turn, "audio_path": f"{name}.wav"}
        facts |= {"dialogue_id": "d", "session": "s", "speaker": "s", "n_samples": len(samples)}
        rows.append(facts | {"transcript": f"these are the words of turn {turn}"})
    manifest = folder / "manifest.parquet"
    write_manifest(build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4"), manifest)
    return manifest


def measured(growth: Growth) -> dict[str, float]:
    """Measure the cost of one size."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "corpus").mkdir()
        manifest = write_corpus(folder / "corpus", growth)
        told = subprocess.run(
            [sys.executable, "-c", PROGRAM, manifest, folder / "store", PARAMS, str(growth.layers), str(growth.bands)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    found = re.findall(r"^\{.*\}$", told, flags=re.MULTILINE)
    figures: dict[str, float] = json.loads(found[-1])
    return figures | {"utterances": growth.utterances, "ms_an_utterance": 1000 * figures["seconds"] / growth.utterances}


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    figures = {}
    for name, growth in ROWS.items():
        figures[name] = measured(growth)
        print(f"{name:20} " + "  ".join(f"{key} {value:.2f}" for key, value in figures[name].items()), flush=True)
    write_result("extraction_growth", figures)


if __name__ == "__main__":
    main()
