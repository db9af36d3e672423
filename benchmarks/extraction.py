"""The speed of turning recordings into stored features: WavLM with random weights, recordings with IEMOCAP's lengths.

Three methods alternate in one process. The first is merflow's extraction, from files to a complete store, including
reader start-up and the first look at every file. The second is a plain loop over transformers, which reads a file, runs
feature extractor and model, and saves an array, one utterance after another in the order of the corpus. The third is
the encoder alone on prepared batches, which is the ceiling. All have their weights loaded beforehand. On a GPU the same
code runs a WavLM of the large model's size in bfloat16, the loop under the same autocast.

The padding figures are those of merflow's batches over the real corpus' 10,039 lengths, for GPU and CPU batches.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks.record import write_result
from merflow.contracts.params_files import read_params
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.corpus.iemocap_counts import iemocap_counts
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.features.encoders.builders import batch_cost, build_encoder
from merflow.features.encoders.huggingface.checkpoints import locate
from merflow.features.encoders.huggingface.weights import computing
from merflow.features.encoders.interface import Encoder, Prepared
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction.encoder_batches import budgeted_batches
from merflow.features.extraction.filling import Effort, StreamFilling
from merflow.features.extraction.reader_pool import ReaderPool, worker_count
from merflow.features.extraction.survey import survey
from merflow.features.store.keyed import create_store

RATE_HZ = 16_000
ROUNDS = 3
IEMOCAP_UTTERANCES = 10_039
PARAMS = Path(__file__).parents[1] / "params.yaml"
STREAM = Stream("speech")


@dataclass(frozen=True)
class Size:
    """The size of model and corpus that keeps a device busy."""

    layers: int
    width: int
    heads: int
    channels: int
    dtype: str
    utterances: int


# Half of WavLM-base, and WavLM-large.
SIZES = {"cpu": Size(6, 384, 6, 256, "float32", 128), "cuda": Size(24, 1024, 16, 512, "bfloat16", 2000)}


def durations_s(utterances: int) -> np.ndarray:
    """Return durations with IEMOCAP's quantiles, drawn evenly, in random order."""
    known = iemocap_counts()["duration_s"]["all"]
    quantiles = [0.0, 0.05, 0.5, 0.95, 0.99, 1.0]
    points = np.log([known[name] for name in ("min", "p5", "median", "p95", "p99", "max")])
    drawn = np.exp(np.interp((np.arange(utterances) + 0.5) / utterances, quantiles, points))
    return np.random.default_rng(0).permutation(drawn)


def write_corpus(folder: Path, *, utterances: int) -> Manifest:
    """Write recordings of noise."""
    random = np.random.default_rng(1)
    rows = []
    for turn, seconds in enumerate(durations_s(utterances)):
        name = f"u{turn:05d}"
        samples = 0.1 * random.standard_normal(round(seconds * RATE_HZ))
        soundfile.write(folder / f"{name}.wav", samples, RATE_HZ, subtype="PCM_16")
        facts: dict[str, Any] = {"utterance_id": name, "turn_index": turn, "audio_path": f"{name}.wav"}
        rows.append(facts | {"dialogue_id": "d", "session": "s", "speaker": "s", "n_samples": len(samples)})
    return build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4")


def write_model(folder: Path, size: Size) -> None:
    """Write a WavLM with random weights that normalizes as the large model does."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMModel

    config = WavLMConfig(
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.width,
        conv_dim=(size.channels,) * 7,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    torch.manual_seed(0)
    WavLMModel(config).save_pretrained(folder)
    extractor: Any = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)  # type: ignore[no-untyped-call]
    extractor.save_pretrained(folder)


class Engine:
    """merflow's extraction of one corpus, repeatable, each time into a new store."""

    def __init__(self, manifest: Manifest, spec: EncoderSpec, encoder: Encoder, *, budget: int) -> None:
        self.effort = Effort()
        self._manifest, self._spec, self._encoder, self._budget = manifest, spec, encoder, budget

    def __call__(self) -> None:
        """Extract from files to a complete store."""
        params = read_params(PARAMS).features
        with (
            tempfile.TemporaryDirectory() as store,
            ReaderPool(worker_count(params.workers, inputs=len(self._manifest.rows))) as readers,
        ):
            inputs = survey(
                self._manifest, [STREAM], readers=readers, resample=False, strict=True, progress=lambda *_reported: None
            )
            filling = StreamFilling(
                create_store(Path(store), feature_key(self._spec, STREAM), shape=self._encoder.shape),
                inputs,
                spec=self._spec,
                stream=STREAM,
                shard_utterances=params.shard_utterances,
                batch_cost=self._budget,
                strict=True,
                progress=lambda *_reported: None,
            )
            locations = filling.run(self._encoder, readers)
        assert len(locations) == len(self._manifest.rows)
        self.effort = filling.effort


def plain_loop(manifest: Manifest, model: Any, extractor: Any, *, device: torch.device, dtype: Any) -> None:  # noqa: ANN401
    """Extract with the loop that most people write first."""
    with tempfile.TemporaryDirectory() as out, computing(device, dtype):
        for name in manifest.rows["audio_path"]:
            samples, _ = soundfile.read(manifest.root / name, dtype="float32")
            values = extractor(samples, sampling_rate=RATE_HZ, return_tensors="pt").input_values
            states = model(values.to(device)).last_hidden_state[0]
            np.save(Path(out) / f"{name}.npy", states.float().cpu().numpy().astype(np.float16))


def ready_batches(manifest: Manifest, encoder: Encoder, *, budget: int) -> list[list[Prepared]]:
    """Return the corpus prepared and cut into merflow's batches."""
    prepared = [
        encoder.prepare(soundfile.read(manifest.root / name, dtype="float32")[0])
        for name in manifest.rows["audio_path"]
    ]
    return [
        [prepared[place] for place in batch]
        for batch in budgeted_batches([one.cost for one in prepared], budget=budget)
    ]


def padding_over_iemocap(*, budget: int, clip_s: float | None) -> float:
    """Return the share of all steps that is padding."""
    seconds = durations_s(IEMOCAP_UTTERANCES)
    clipped = seconds if clip_s is None else np.minimum(seconds, clip_s)
    steps = np.sort((clipped * RATE_HZ).astype(int) // 320)[::-1].tolist()
    shard = read_params(PARAMS).features.shard_utterances
    padded = 0
    for start in range(0, len(steps), shard):
        costs = steps[start : start + shard]
        padded += sum(costs[batch[0]] * len(batch) for batch in budgeted_batches(costs, budget=budget))
    return float(1 - sum(steps) / padded)


def rounds_of(ways: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Return the seconds of every method in every round, after one warm-up round."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way, run in ways.items():
            started = perf_counter()
            run()
            if number:
                seconds[way].append(perf_counter() - started)
    return seconds


def measured(device: str, folder: Path) -> dict[str, Any]:
    """Measure the three methods on a device."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMModel

    size = SIZES[device]
    (folder / "recordings").mkdir()
    manifest = write_corpus(folder / "recordings", utterances=size.utterances)
    write_model(folder / "model", size)
    settings: dict[str, Any] = {"model": str(folder / "model"), "layers": "last", "dtype": size.dtype}
    spec = locate(EncoderSpec(name="wavlm", settings=settings))
    encoder = build_encoder(spec, STREAM, device=device)
    budget = batch_cost(spec, device=device, most=read_params(PARAMS).features.batch_cost.audio)
    engine = Engine(manifest, spec, encoder, budget=budget)
    batches = ready_batches(manifest, encoder, budget=budget)
    model: Any = WavLMModel.from_pretrained(folder / "model")
    model = model.eval().to(device)
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder / "model")

    def encode_all() -> None:
        for batch in batches:
            encoder.encode(batch)

    seconds = rounds_of(
        {
            "engine": engine,
            "plain loop": lambda: plain_loop(manifest, model, extractor, device=torch.device(device), dtype=size.dtype),
            "encoder alone": encode_all,
        }
    )
    return {
        "model": f"WavLM of {size.layers} layers of width {size.width}, {size.dtype}, random weights",
        "utterances": size.utterances,
        "audio_s": float(durations_s(size.utterances).sum()),
        "batch_steps": budget,
        "threads": torch.get_num_threads(),
        "seconds": {way: median(each) for way, each in seconds.items()},
        "engine_of_ceiling": median(
            alone / whole for alone, whole in zip(seconds["encoder alone"], seconds["engine"], strict=True)
        ),
        "engine_to_loop": median(
            loop / whole for loop, whole in zip(seconds["plain loop"], seconds["engine"], strict=True)
        ),
        "padding": engine.effort.padding,
    }


def padding_figures() -> dict[str, float]:
    """Return the padding of whole utterances and of clips, in the batches of both devices."""
    most = read_params(PARAMS).features.batch_cost.audio
    wavlm = EncoderSpec(name="wavlm", settings={})
    budgets = {"GPU": most, "CPU": batch_cost(wavlm, device="cpu", most=most)}
    return {
        f"{device}, {clip}": padding_over_iemocap(budget=budget, clip_s=clip_s)
        for device, budget in budgets.items()
        for clip, clip_s in (("whole", None), ("first 6 s", 6.0))
    }


def main() -> None:
    """Measure in a fresh process, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    asked = parser.parse_args().device
    device = ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "figures.json"
        # Reader processes import what a program's main module imports: of this one torch, of the command line nothing.
        program = (
            "import json; from pathlib import Path; import benchmarks.extraction as b\n"
            f"Path({str(out)!r}).write_text(json.dumps(b.measured({device!r}, Path({scratch!r}))))"
        )
        subprocess.run([sys.executable, "-c", program], check=True)
        figures = json.loads(out.read_text(encoding="utf-8"))
    figures |= {"padding_over_iemocap": padding_figures()}
    for name, value in figures.items():
        print(f"{name:20} {value}")
    write_result("extraction", {"device": device, **figures})


if __name__ == "__main__":
    main()
