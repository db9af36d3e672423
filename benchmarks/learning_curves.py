"""Learning curves: the UA of presets and classics by the size of the training part, on the same test utterances.

It starts from a finished run of ``benchmarks.against_classics`` and reads its splits, features and whole-size figures.
A smaller training part is drawn from each fold's, with the same share of every emotion, and lies within the larger
ones. Development and test parts stay whole. Classics at a fixed C are left out: they also learn from development data.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.against_classics import CORPORA, PRESETS, Corpus, predictions_of
from benchmarks.paired import counter_of
from benchmarks.record import RESULTS, read_result, write_result
from merflow.contracts.classics import read_predictions
from merflow.contracts.fold_id import parse_fold_id
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.contracts.progress import say
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.splitting.splits import Splits, read_splits, write_splits
from merflow.jobs.classics import classics
from merflow.jobs.train import train
from merflow.presets.variants import folds_of
from merflow.runs.run_folder import RESULTS as RUN_RESULTS
from merflow.runs.workspace import Workspace
from merflow.storage.local import read_json

NAME = "learning_curves"
_SEED = 0
_WHOLE = 1.0
_CURVE_OF = {"audio": ("compare", "functionals"), "text": ("tfidf", "tfidf-context")}


def part_of(splits: Splits, manifest: Manifest, *, share: float) -> Splits:
    """Return the splits with a share of every fold's training utterances of each emotion."""
    emotion = splits.rows["utterance_id"].map(manifest.rows.set_index("utterance_id")["emotion"])
    drawn = np.random.default_rng(_SEED).permutation(len(splits.rows))  # one order, so smaller parts lie within larger
    rows = splits.rows.assign(emotion=emotion, drawn=drawn).sort_values("drawn")
    group = rows.groupby(["fold", "part", "emotion"])["drawn"]
    kept = (rows["part"] != "train") | (group.cumcount() < (share * group.transform("size")).map(ceil))
    return replace(splits, rows=splits.rows[kept.sort_index()].reset_index(drop=True))


def figures_of(corpus: Corpus, modalities: str, *, run: Path, out: Path, shares: Sequence[float]) -> dict[str, Any]:
    """Train the presets and classics of a set of modalities at each share, and return their figures."""
    manifest, splits = read_manifest(run / "manifest.parquet"), read_splits(run / "splits.parquet")
    seeds = read_json(run / RUN_RESULTS)["seeds"]
    counted = counter_of(manifest)
    points = []
    for share in shares:
        place = out / f"{share:g}"
        smaller = splits if share == _WHOLE else part_of(splits, manifest, share=share)
        tables = dict(_trained(modalities, smaller, run=run, place=place, seeds=seeds, whole=share == _WHOLE))
        systems = {name: counted(table).figures for name, table in tables.items()}
        size = float((smaller.rows["part"] == "train").sum() / len(smaller.folds))
        points.append({"share": share, "utterances": size, "systems": systems})
        say(f"{corpus.name}, {size:.0f} training utterances per fold: " + shown(systems))
    return {"split_id": splits.split_id, "seeds": seeds, "points": points}


def shown(systems: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the UA of each system in a line."""
    return ", ".join(f"{name} {100 * figures['UA']:.1f}" for name, figures in systems.items())


def _trained(
    modalities: str, splits: Splits, *, run: Path, place: Path, seeds: Sequence[int], whole: bool
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the predictions of each preset and classic; those at whole size are the run's own."""
    params, path = _params(), run / "splits.parquet" if whole else place / "splits.parquet"
    if not whole:
        write_splits(splits, path)
        _train_presets(modalities, path, run=run, place=place, folds=len(splits.folds), seeds=seeds, params=params)
    folder = run if whole else place
    for variant in PRESETS[modalities]:
        yield variant, predictions_of(folder, variant)
    records = classics(
        run / "manifest.parquet",
        splits=path,
        out=folder / "classics",
        cache=run / "functionals",
        params=params.classics,
        corpus=params.corpus,
    )
    for record in records:
        if record.name in _CURVE_OF[modalities]:
            yield f"classic:{record.name}", read_predictions(folder / "classics", [record.name])


def _train_presets(
    modalities: str, splits: Path, *, run: Path, place: Path, folds: int, seeds: Sequence[int], params: Params
) -> None:
    workspace = Workspace(place)
    for item in folds_of(PRESETS[modalities], folds=folds, seeds=seeds):
        train(
            item,
            manifest=run / "manifest.parquet",
            splits=splits,
            features=run / "features.json",
            out=workspace.fold(parse_fold_id(item)),
            checkpoints=workspace.checkpoints,
            params=params.training,
        )


def _params() -> Params:
    params = shipped_params()
    return params.model_copy(update={"training": params.training.model_copy(update={"shadow_selection": "off"})})


def drawn(curves: Mapping[str, Any]) -> Figure:
    """Draw one panel per corpus and set of modalities: UA against the number of training utterances."""
    figure = Figure(figsize=(4.6 * len(curves), 3.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(curves)))
    for panel, (title, curve) in zip(axes, curves.items(), strict=True):
        sizes = [point["utterances"] for point in curve["points"]]
        for name in curve["points"][0]["systems"]:
            of_name = [point["systems"][name] for point in curve["points"]]
            (line,) = panel.plot(
                sizes,
                [100 * each["UA"] for each in of_name],
                marker="o",
                linestyle="--" if name.startswith("classic:") else "-",
                label=name,
            )
            ends = np.array([each["ci95"] for each in of_name])
            panel.fill_between(sizes, *(100 * ends.T), color=line.get_color(), alpha=0.08, linewidth=0)
        panel.set(title=title, xlabel="training utterances per fold", ylabel="UA in %", xscale="log")
        panel.set_xticks(sizes, [f"{size:.0f}" for size in sizes], minor=False)
        panel.minorticks_off()
        panel.legend(fontsize="small", frameon=False)
    return figure


def main() -> None:
    """Train at each size, record the figures and draw them; corpora that are not named keep theirs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the --out of benchmarks.against_classics")
    parser.add_argument("--corpora", nargs="+", choices=[each.name for each in CORPORA], default=["EmoDB"])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.125, 0.25, 0.5, 1.0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; finished folds are kept")
    options = parser.parse_args()
    recorded = read_result(NAME)
    curves: dict[str, Any] = recorded["figures"]["curves"] if recorded else {}
    for corpus in CORPORA:
        if corpus.name not in options.corpora:
            continue
        for modalities in corpus.modalities:
            if modalities in _CURVE_OF:
                curves[f"{corpus.name}, {modalities}"] = figures_of(
                    corpus,
                    modalities,
                    run=options.runs / corpus.name,
                    out=options.out / corpus.name / modalities,
                    shares=sorted(options.shares),
                )
    write_result(NAME, {"profile": "lite", "curves": curves})
    drawn(curves).savefig(RESULTS / f"{NAME}.png", dpi=110)


if __name__ == "__main__":
    main()
