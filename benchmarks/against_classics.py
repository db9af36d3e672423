"""A comparison of the embedded default with the classics, on real speech, on real dialogue and on synthetic data.

For each corpus and each set of modalities, the preset with the highest mean development UA stands against every classic
that reads the same modalities, on the same test utterances. With ``--before``, the best preset of an earlier version
stands beside it: the folder has this command's runs, made by that version.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from benchmarks.paired import Counter, counter_of, difference
from benchmarks.record import read_result, write_result
from merflow.contracts.classics import ClassicRecord, read_predictions
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.contracts.tables import PREDICTIONS, read_table
from merflow.corpus.manifest import read_manifest
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.benchmark import benchmark
from merflow.jobs.classics import classics
from merflow.runs.run_folder import RESULTS
from merflow.storage.local import read_json

# Modalities -> the presets that read them and no others, on stored features.
PRESETS = {
    "audio": ("context-mmt:wavlm-te-frozen", "foal-net:audio-only", "gia-mic:s"),
    "text": ("context-mmt:bert-te-frozen", "gia-mic:t"),
    "audio and text": ("context-mmt:mmt-frozen", "gia-mic:st"),
}


SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Corpus:
    """A corpus of the comparison.

    Attributes:
        name: Its name in the record.
        modalities: Keys of :data:`PRESETS` that are worth comparing on it.
        overrides: Parameters that differ.
    """

    name: str
    modalities: tuple[str, ...]
    overrides: tuple[str, ...] = ()


CORPORA = (
    Corpus("EmoDB", ("audio",)),
    # One random speaker of a series may have a handful of lines, so a session is the development data.
    Corpus("MELD", ("text",), ("splits.development=session",)),
    Corpus(SYNTHETIC, tuple(PRESETS)),
)


def measured(
    corpus: Corpus,
    source: CorpusSource,
    *,
    variants: Sequence[str],
    params: Params,
    out: Path,
    before: Path | None,
    workers: int,
) -> dict[str, Any]:
    """Train the presets and the classics of a corpus, and return the figures per set of modalities."""
    results = benchmark(
        source,
        variants=variants,
        out=out,
        params=params,
        name=f"{corpus.name} against the classics",
        command="python -m benchmarks.against_classics",
        workers=workers,
    )
    manifest = out / "manifest.parquet"
    records = classics(
        manifest,
        splits=out / "splits.parquet",
        out=out / "classics",
        cache=out / "functionals",
        params=params.classics,
        corpus=params.corpus,
    )
    counted = counter_of(read_manifest(manifest))
    return {
        "utterances": results.utterances,
        "dialogues": results.dialogues,
        "manifest_hash": results.manifest_hash,
        "split_id": results.split_id,
        "protocol": results.protocol,
        "development": params.splits.development,
        "seeds": results.seeds,
        "modalities": {
            modalities: _compared(modalities, records, out=out, before=before, counted=counted)
            for modalities in corpus.modalities
        },
    }


def _compared(
    modalities: str,
    records: Sequence[ClassicRecord],
    *,
    out: Path,
    before: Path | None,
    counted: Counter,
) -> dict[str, Any]:
    """Return the figures of one set of modalities, with the differences of the best preset."""
    now, earlier = _presets(modalities, out=out), _presets(modalities, out=before)
    best = _best(now)
    tested = counted(predictions_of(out, best))
    of_classics = {
        record.name: counted(read_predictions(out / "classics", [record.name]))
        for record in records
        if set(record.modalities) == set(modalities.split(" and ")) and not record.leak
    }
    figures: dict[str, Any] = {
        "presets": now,
        "best": best,
        "figures": tested.figures,
        "classics": {
            name: classic.figures | {"best_minus": difference(tested, classic)} for name, classic in of_classics.items()
        },
    }
    if before is not None and earlier:
        best_before = _best(earlier)
        tested_before = counted(predictions_of(before, best_before))
        figures["before"] = {
            "presets": earlier,
            "best": best_before,
            "figures": tested_before.figures,
            "now_minus": difference(tested, tested_before),
        }
    return figures


def _presets(modalities: str, *, out: Path | None) -> dict[str, dict[str, float]]:
    """Return the mean development UA and the pooled UA of the presets that a folder has results of."""
    if out is None or not (out / RESULTS).is_file():
        return {}
    variants = read_json(out / RESULTS)["variants"]  # as JSON, because an earlier version may have written it
    return {
        name: {
            "development_UA": mean(fold["dev_ua"] for fold in variants[name]["folds"]),
            "UA": variants[name]["ua"]["pooled"],
        }
        for name in PRESETS[modalities]
        if name in variants
    }


def _best(presets: Mapping[str, Mapping[str, float]]) -> str:
    return max(presets, key=lambda name: presets[name]["development_UA"])


def predictions_of(out: Path, variant: str) -> pd.DataFrame:
    """Return the predictions of all folds and seeds of a variant."""
    model, _, preset = variant.partition(":")
    tables = sorted((out / "folds" / model / preset).glob("*/predictions.parquet"))
    return pd.concat([read_table(table, PREDICTIONS)[0] for table in tables], ignore_index=True)


def main() -> None:
    """Run the comparison and record its figures, corpus by corpus; corpora that are not named keep theirs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emodb", type=Path, help="EmoDB's utterance table (CSV)")
    parser.add_argument("--meld", type=Path, help="MELD's utterance table (CSV)")
    parser.add_argument("--synthetic", action="store_true", help="the synthetic corpus of size `small`")
    parser.add_argument("--presets", nargs="+", help="only these of the presets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2, help="folds that train at a time")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; finished folds are kept")
    parser.add_argument("--before", type=Path, help="such a folder of an earlier version")
    options = parser.parse_args()
    sources = {"EmoDB": options.emodb, "MELD": options.meld}
    for corpus in CORPORA:
        if corpus.name == SYNTHETIC and options.synthetic:
            source = CorpusSource("synthetic", synthesize(options.out / "release", size="small", video=False))
        elif sources.get(corpus.name):
            source = CorpusSource("table", sources[corpus.name])
        else:
            continue
        overrides = (f"plan.seeds={options.seeds}", 'training.shadow_selection="off"', "tracking.uri=none")
        figures = measured(
            corpus,
            source,
            variants=[
                variant
                for modalities in corpus.modalities
                for variant in PRESETS[modalities]
                if options.presets is None or variant in options.presets
            ],
            params=shipped_params(overrides=overrides + corpus.overrides),
            out=options.out / corpus.name,
            before=options.before and options.before / corpus.name,
            workers=options.workers,
        )
        recorded = read_result("against_classics")
        earlier = recorded["figures"]["corpora"] if recorded else {}
        write_result("against_classics", {"profile": "lite", "corpora": earlier | {corpus.name: figures}})


if __name__ == "__main__":
    main()
