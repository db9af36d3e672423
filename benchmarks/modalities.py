"""A comparison of every model's full preset with presets that read fewer modalities.

It runs on the synthetic `small` corpus, whose voices, words and faces err independently, so they say more together.
Each model is one run of ``merflow benchmark``: the epoch is chosen on one training speaker, and the test speakers are
looked at once. MFDR has no preset with a single modality, so its full preset stands next to two that leave out what it
adds. With ``--out``, finished folds are kept and the same command resumes. Models that are not named keep the figures
recorded before.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.record import RESULTS, write_result
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.contracts.scores import Variant
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.benchmark import benchmark

# Of each model the full preset, then those that it is held against.
PRESETS: dict[str, tuple[str, ...]] = {
    "context-mmt": ("mmt-frozen", "wavlm-te-frozen", "bert-te-frozen"),
    "foal-net": ("full", "audio-only", "video-only"),
    "gia-mic": ("full", "v", "s", "t"),
    "layer-adapter-fusion": ("stc-mf-la", "s", "t", "c"),
    "mfdr": ("full", "full-size", "no-context"),
}


def run(model: str, release: Path, *, params: Params, out: Path, workers: int) -> Results:
    """Run one model's presets and return the results."""
    return of_emotions(
        benchmark(
            CorpusSource("synthetic", release),
            variants=[f"{model}:{preset}" for preset in PRESETS[model]],
            out=out,
            params=params,
            name=f"modalities of {model}",
            command="python -m benchmarks.modalities",
            workers=workers,
        )
    )


def figures_of(model: str, results: Results) -> dict[str, Any]:
    """Return the UA of each preset and how much better the full one is than each other."""
    full, *others = (f"{model}:{preset}" for preset in PRESETS[model])
    return {
        "full": full,
        "selection": str(results.variants[full].training.selection),
        "UA": {variant: _accuracy(results.variants[variant]) for variant in (full, *others)},
        "full_minus": {other: _difference(results, full, other) for other in others},
        "split_id": results.split_id,
        "manifest_hash": results.manifest_hash,
        "utterances": results.utterances,
        "seeds": results.seeds,
    }


def _accuracy(variant: Variant) -> dict[str, Any]:
    return {
        "pooled": variant.ua.pooled,
        "ci95": variant.ua.ci95,
        "development": mean(fold.dev_ua for fold in variant.folds if fold.dev_ua is not None),
        "epochs": mean(fold.chosen_epoch for fold in variant.folds if fold.chosen_epoch is not None),
    }


def _difference(results: Results, full: str, other: str) -> dict[str, Any]:
    """Return the pair's row, oriented so that positive figures favor the full preset."""
    pair = next(pair for pair in results.comparisons_of(full) if pair.other(full) == other)
    sign = 1 if pair.a == full else -1
    return {
        "delta_UA": sign * pair.delta_ua,
        "ci95": sorted(sign * end for end in pair.ci95 or ()),
        "p_holm": pair.p_holm,
    }


@contextmanager
def folder_to_use(out: Path | None) -> Iterator[Path]:
    """Yield the folder to keep, or a temporary one."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def _recorded(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the figures recorded earlier with the same settings, by model."""
    path = RESULTS / "modalities.json"
    found = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.is_file() else {}
    return dict(found["models"]) if found.get("settings") == settings else {}


def measured(
    models: Sequence[str], *, settings: dict[str, Any], out: Path | None, workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each model with its figures as they finish."""
    params = shipped_params(
        overrides=(
            f"plan.seeds={settings['seeds']}",
            f"training.max_epochs={settings['max_epochs']}",
            'training.shadow_selection="off"',
            "tracking.uri=none",
        ),
    )
    with folder_to_use(out) as folder:
        release = synthesize(folder / "release", size="small", video=True)
        for model in models:
            results = run(model, release, params=params, out=folder / model, workers=workers)
            yield model, figures_of(model, results)


def main() -> None:
    """Run the comparison and record its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(PRESETS), default=list(PRESETS), help="only these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--max-epochs", type=int, default=6, help="cap, chosen on development data")
    parser.add_argument("--workers", type=int, default=2, help="folds that train at a time")
    parser.add_argument("--out", type=Path, help="folder to keep")
    options = parser.parse_args()
    settings = {"size": "small", "profile": "lite", "seeds": options.seeds, "max_epochs": options.max_epochs}
    for model, figures in measured(options.models, settings=settings, out=options.out, workers=options.workers):
        for other, row in figures["full_minus"].items():
            low, high = (100 * end for end in row["ci95"])
            print(f"{figures['full']} - {other}: {100 * row['delta_UA']:+.1f} ({low:+.1f} to {high:+.1f})")
        models = _recorded(settings) | {model: figures}
        write_result("modalities", {"settings": settings, "models": dict(sorted(models.items()))})


if __name__ == "__main__":
    main()
