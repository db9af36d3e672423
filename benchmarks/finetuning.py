"""Fine-tuned rows of Foal-Net and GIA-MIC against themselves with frozen encoders.

It runs on a synthetic corpus with the miniatures of profile ``tiny``, whose weights are random: it shows that gradients
reach the encoders and are of use, and nothing about WavLM. Every row is trained at its paper's rates and at one higher
rate, with small batches, because the corpus is small; GIA-MIC is narrower. The epoch is chosen on one training speaker,
and the test speakers are looked at once. Rows that are not named keep the figures recorded before. With ``--out``,
finished folds are kept and the same command resumes.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from benchmarks.modalities import folder_to_use
from benchmarks.record import read_result, write_result
from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.contracts.presets import Preset
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.features.encoders.huggingface.miniature import build_miniatures
from merflow.folds.presets import parse_presets
from merflow.jobs.benchmark import benchmark
from merflow.jobs.compare import compare
from merflow.presets import catalogue

MODELS = ("foal-net", "gia-mic")
RATE = 0.001
REGIMES = ("as-preset", "frozen")
_NARROW = {"gia-mic": {"dims": 96, "heads": 4, "feedforward": 192}}


def rows() -> list[str]:
    """Return the rows that fine-tune encoders."""
    presets = catalogue.presets().values()
    return [each.variant for each in presets if each.model in MODELS and each.stages[-1] != "frozen"]


def presets_of(row: str, *, batch_size: int) -> dict[str, Preset]:
    """Return the row as it is trained here: at its paper's rates, and at the higher one."""
    config = _NARROW.get(row.partition(":")[0], {})
    changes = {"at-papers-rates": {}, "at-higher-rate": {"lr": RATE}}
    entries = {
        f"{row}-{name}": {"base": row, "config": config, "stages": [{"batch_size": batch_size, **change}]}
        for name, change in changes.items()
    }
    return parse_presets(yaml.safe_dump({"presets": entries}), where="benchmarks.finetuning")


def measured(row: str, release: Path, *, params: Params, folder: Path, batch_size: int) -> dict[str, Any]:
    """Return the figures of one row in both regimes at both rates, and the differences."""
    presets = presets_of(row, batch_size=batch_size)
    results: dict[str, Results] = {}
    for regime in REGIMES:
        results[regime] = of_emotions(
            benchmark(
                CorpusSource("synthetic", release),
                variants=list(presets),
                out=folder / regime,
                params=with_changes(params, json.dumps({"training": {"encoders": regime}})),
                name=f"{row}, encoders {regime}",
                command="python -m benchmarks.finetuning",
                user_presets=presets,
            )
        )
    compared = compare([folder / regime for regime in REGIMES], params=params.evaluation)
    return {
        name.removeprefix(f"{row}-"): {
            "UA": {regime: each.variants[name].ua.pooled for regime, each in results.items()},
            "development_UA": {regime: _development(each, name) for regime, each in results.items()},
            "epoch": {regime: each.variants[name].folds[0].chosen_epoch for regime, each in results.items()},
            "last_train_loss": {regime: _last_train_loss(folder / regime, name) for regime in results},
            "fine_tuned_minus_frozen": _difference(compared.comparisons, name),
            "utterances": compared.utterances,
        }
        for name in presets
    }


def _development(results: Results, name: str) -> float:
    return mean(fold.dev_ua for fold in results.variants[name].folds if fold.dev_ua is not None)


def _last_train_loss(run: Path, name: str) -> float:
    """Return the training loss of the last epoch, averaged over folds."""
    model, _, preset = name.partition(":")
    histories = [read_history(fold) for fold in sorted((run / "folds" / model / preset).iterdir())]
    return mean(history[-1].train_loss for history in histories)


def _difference(comparisons: Sequence[Any], name: str) -> dict[str, Any]:
    """Return the paired difference, oriented so that positive figures favor the fine-tuned encoders."""
    tuned, frozen = (f"{regime}/{name}" for regime in REGIMES)
    pair = next(pair for pair in comparisons if {pair.a, pair.b} == {tuned, frozen})
    sign = 1 if pair.a == tuned else -1
    return {"delta_UA": sign * pair.delta_ua, "ci95": sorted(sign * end for end in pair.ci95 or ())}


def each_row(
    chosen: Sequence[str], *, settings: dict[str, Any], out: Path | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row with its figures as they finish."""
    with folder_to_use(out) as folder:
        build_miniatures(folder / "encoders")
        changes = {
            "splits": {"protocol": settings["protocol"]},
            "features": {"profile": "tiny", "encoders_folder": str(folder / "encoders")},
            "training": {"max_epochs": settings["max_epochs"], "shadow_selection": "off"},
            "tracking": {"uri": "none"},
        }
        params = with_changes(shipped_params(), json.dumps(changes))
        release = synthesize(folder / "release", size=settings["size"], video=True)
        for row in chosen:
            place = folder / row.replace(":", "-")
            yield row, measured(row, release, params=params, folder=place, batch_size=settings["batch_size"])


def main() -> None:
    """Run the comparison and record its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=rows(), default=rows(), help="only these")
    parser.add_argument("--size", choices=["tiny", "demo", "small"], default="demo")
    parser.add_argument("--protocol", default="session5-only")
    parser.add_argument("--max-epochs", type=int, default=10, help="cap, chosen on development data")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--out", type=Path, help="folder to keep")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("size", "protocol", "max_epochs", "batch_size")}
    settings |= {"rate": RATE, "seed": 0}
    for row, figures in each_row(options.rows, settings=settings, out=options.out):
        for rate, each in figures.items():
            print(f"{row} {rate}: {100 * each['fine_tuned_minus_frozen']['delta_UA']:+.1f}")
        recorded = read_result("finetuning")
        same = recorded is not None and recorded["figures"]["settings"] == settings
        known = recorded["figures"]["rows"] if recorded is not None and same else {}
        write_result("finetuning", {"settings": settings, "rows": dict(sorted((known | {row: figures}).items()))})


if __name__ == "__main__":
    main()
