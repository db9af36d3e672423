"""A check that every audio preset trains on real speech and that every video preset says what EmoDB lacks.

EmoDB with session 5 for testing, a few epochs each. It shows that a preset learns from recordings that were not made
for it, not how good it is: ``benchmarks.against_classics`` compares. EmoDB's ten sentences carry no emotion.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.record import write_result
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.corpus.source import CorpusSource
from merflow.errors import FeatureError
from merflow.jobs.benchmark import benchmark
from merflow.jobs.extract import extract
from merflow.presets import catalogue


def reading(modality: str, *, without: str | None = None) -> list[str]:
    """Return the variants that read one modality and not another."""
    return [
        name
        for name, preset in catalogue.presets().items()
        if modality in preset.inputs and without not in preset.inputs
    ]


def trained(csv: Path, *, params: Params, out: Path, workers: int) -> Results:
    """Train every preset that reads audio but no video, and return the results."""
    return of_emotions(
        benchmark(
            CorpusSource("table", csv),
            variants=reading("audio", without="video"),
            out=out,
            params=params,
            name="every audio preset on EmoDB",
            command="python -m benchmarks.emodb_presets",
            workers=workers,
        )
    )


def refused(manifest: Path, *, corpus: Path, params: Params, out: Path) -> dict[str, str]:
    """Return the error of each preset that reads video. Nothing is stored for it, so it cannot be trained.

    Raises:
        RuntimeError: A preset was not refused, or left something behind.
    """
    said = {}
    for variant in reading("video"):
        store, features = out / "refused", out / "refused.json"
        try:
            extract(
                manifest,
                variants=[variant],
                store=store,
                out=features,
                params=params.features,
                corpus=params.corpus,
            )
        except FeatureError as error:
            said[variant] = str(error).replace(f" in {corpus.resolve()}", "")
        if variant not in said or store.exists() or features.exists():
            raise RuntimeError(f"{variant} was not refused on a corpus without video")
    return said


def main() -> None:
    """Run the presets and record their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="EmoDB's utterance table (CSV)")
    parser.add_argument("--max-epochs", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="folds that train at a time")
    options = parser.parse_args()
    params = shipped_params(
        overrides=(
            f"training.max_epochs={options.max_epochs}",
            'training.shadow_selection="off"',
            "splits.protocol=session5-only",
            "tracking.uri=none",
        ),
    )
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        results = trained(options.root, params=params, out=out, workers=options.workers)
        said = refused(out / "manifest.parquet", corpus=options.root.parent, params=params, out=out)
    write_result(
        "emodb_presets",
        {
            "corpus": "EmoDB, four emotions, session 5 (two speakers) to test",
            "utterances": results.utterances,
            "max_epochs": options.max_epochs,
            "split_id": results.split_id,
            "UA": {variant: scores.ua.pooled for variant, scores in results.variants.items()},
            "development_UA": {variant: scores.folds[0].dev_ua for variant, scores in results.variants.items()},
            "refused": said,
        },
    )


if __name__ == "__main__":
    main()
