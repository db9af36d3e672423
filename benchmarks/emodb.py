"""A benchmark on real speech: context-mmt on EmoDB, next to a support vector machine on the same folds.

EmoDB's ten sentences carry no emotion, so the audio has to. Each seed is one run of ``merflow benchmark``: the epoch is
chosen on one random training speaker, and the test speakers are looked at once.
"""

import argparse
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from scipy.signal import stft
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.record import write_result
from merflow.contracts.params import read_params
from merflow.contracts.results import Results
from merflow.corpus.manifest import read_manifest
from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.corpus.source import CorpusSource
from merflow.corpus.splitting.splits import ids, read_splits
from merflow.evaluation.metrics import unweighted_accuracy
from merflow.jobs.benchmark import benchmark

PRESETS = ("wavlm-fc-frozen", "wavlm-te-frozen", "ef-frozen", "mmt-frozen")


def run(csv: Path, *, seed: int, out: Path) -> Results:
    """Run one benchmark and return its results."""
    params = read_params(
        Path(str(files("merflow") / "params.yaml")), overrides=(f"plan.seeds=[{seed}]", "tracking.uri=none")
    )
    return benchmark(
        CorpusSource("table", csv),
        variants=[f"context-mmt:{preset}" for preset in PRESETS],
        out=out,
        params=params,
        name="emodb",
        command="python -m benchmarks.emodb",
        workers=2,
    )


def support_vector_machine(out: Path) -> float:
    """Return the pooled UA of an RBF SVM on means and deviations of log-mel frames, trained on train and dev data."""
    manifest, splits = read_manifest(out / "manifest.parquet"), read_splits(out / "splits.parquet")
    rows = manifest.rows.set_index("utterance_id")
    classes = manifest.classes
    statistics = {
        name: _statistics(manifest.root / path) for name, path in rows["audio_path"].items() if path is not None
    }
    labels, predicted = [], []
    for fold in sorted(set(splits.rows["fold"].astype(int))):
        train = ids(splits, fold=fold, part="train") + ids(splits, fold=fold, part="dev")
        test = ids(splits, fold=fold, part="test")
        machine = make_pipeline(StandardScaler(), SVC(C=10, gamma="scale"))
        machine.fit([statistics[name] for name in train], rows.loc[train, "emotion"])
        predicted += [classes.index(label) for label in machine.predict([statistics[name] for name in test])]
        labels += [classes.index(label) for label in rows.loc[test, "emotion"]]
    return unweighted_accuracy(np.array(labels), np.array(predicted), classes=len(classes))


def _statistics(path: Path) -> np.ndarray:
    """Return mean and deviation over time of 40 log-mel bands (25 ms every 10 ms), without merflow's features."""
    samples = read_samples(path, n_samples=None, resample=False)
    spectrum = stft(samples, RATE_HZ, nperseg=400, noverlap=240, nfft=512)[2]  # (257, T)
    frames = np.log(_mel_filters() @ np.abs(spectrum) ** 2 + 1e-10)  # (40, T)
    return np.concatenate([frames.mean(axis=1), frames.std(axis=1)])


def _mel_filters() -> np.ndarray:
    """Return ``(40, 257)`` triangular filters, evenly spaced in mel from 0 to 8 kHz."""
    hertz = np.linspace(0, RATE_HZ / 2, 257)
    mels = 2595 * np.log10(1 + hertz / 700)
    edges = np.linspace(0, mels[-1], 42)
    low, centre, high = (edges[start : start + 40, None] for start in range(3))
    filters: np.ndarray = np.clip(np.minimum((mels - low) / (centre - low), (high - mels) / (high - centre)), 0, None)
    return filters


def main() -> None:
    """Run the benchmark and record its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="EmoDB's utterance table (CSV)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = {seed: run(options.root, seed=seed, out=Path(scratch) / str(seed)) for seed in options.seeds}
        reference = support_vector_machine(Path(scratch) / str(options.seeds[0]))
    first = runs[options.seeds[0]]
    write_result(
        "emodb",
        {
            "corpus": "EmoDB, four emotions, 339 utterances, leave one session (two speakers) out",
            "split_id": first.split_id,
            "manifest_hash": first.manifest_hash,
            "selection": str(first.variants[first.best].training.selection),
            "pooled_UA_by_seed": {
                variant: {str(seed): results.variants[variant].ua.pooled for seed, results in runs.items()}
                for variant in first.variants
            },
            "ci95_of_first_seed": {name: scores.ua.ci95 for name, scores in first.variants.items()},
            "support_vector_machine_UA": reference,
        },
    )


if __name__ == "__main__":
    main()
