"""A comparison of MFDR's full system with what is ours and with other ways to look at frames.

`residual` and `proportional` are presets of this project, `window-30` and `full-size` are rows of Table 3. It is one
run of ``merflow benchmark`` on the synthetic `small` corpus: the epoch is chosen on one training speaker, and the test
speakers are looked at once. With ``--out``, finished folds are kept and the same command resumes.
"""

import argparse
import tempfile
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from merflow.contracts.params import read_params
from merflow.contracts.results import Comparison, Results
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.benchmark import benchmark

FULL = "mfdr:full"
OTHERS = ("mfdr:residual", "mfdr:proportional", "mfdr:window-30", "mfdr:full-size")


def run(out: Path, *, seeds: list[int], max_epochs: int | None, workers: int) -> Results:
    """Run the benchmark and return its results."""
    params = read_params(
        Path(str(files("merflow") / "params.yaml")),
        overrides=(
            f"plan.seeds={seeds}",
            f"training.max_epochs={max_epochs or 'null'}",
            'training.shadow_selection="off"',
            "tracking.uri=none",
        ),
    )
    return benchmark(
        CorpusSource("synthetic", synthesize(out / "release", size="small", video=False)),
        variants=[FULL, *OTHERS],
        out=out / "run",
        params=params,
        name="presets of mfdr",
        command="python -m benchmarks.mfdr_presets",
        workers=workers,
    )


def figures_of(results: Results) -> dict[str, Any]:
    """Return the UA of each preset, per seed and of all predictions, and its difference from the full system."""
    return {
        "selection": str(results.variants[FULL].training.selection),
        "split_id": results.split_id,
        "manifest_hash": results.manifest_hash,
        "utterances": results.utterances,
        "variants": {
            name: {
                "UA": variant.ua.pooled,
                "UA_by_seed": {str(each.seed): each.ua for each in variant.over_seeds.each},
                "minus_full": None if name == FULL else _difference(results, name),
            }
            for name, variant in results.variants.items()
        },
    }


def _difference(results: Results, name: str) -> dict[str, Any]:
    """Return the pair's figures; positive ones favor the variant over the full system."""
    pair: Comparison = next(pair for pair in results.comparisons_of(name) if pair.other(name) == FULL)
    sign = 1 if pair.a == name else -1
    return {
        "delta_UA": sign * pair.delta_ua,
        "ci95": sorted(sign * end for end in pair.ci95 or ()),
        "p_holm": pair.p_holm,
    }


def main() -> None:
    """Run the comparison and record its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-epochs", type=int, help="cap; by default the recipe's 40 epochs")
    parser.add_argument("--workers", type=int, default=2, help="folds that train at a time")
    parser.add_argument("--out", type=Path, help="folder to keep")
    options = parser.parse_args()
    with nullcontext(options.out) if options.out else tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder), seeds=options.seeds, max_epochs=options.max_epochs, workers=options.workers)
    settings = {"size": "small", "profile": "lite", "seeds": options.seeds, "max_epochs": options.max_epochs}
    figures = figures_of(results)
    for name, row in figures["variants"].items():
        print(f"{name}: {100 * row['UA']:.1f}", [f"{100 * share:.1f}" for share in row["UA_by_seed"].values()])
    write_result("mfdr_presets", {"settings": settings, **figures})


if __name__ == "__main__":
    main()
