"""A comparison of MFDR's full system with what is ours and with other ways to look at frames.

`residual` and `proportional` are presets of this project, `window-30` and `full-size` are rows of Table 3. It is one
run of ``merflow benchmark`` on the synthetic `small` corpus: the epoch is chosen on one training speaker, and the test
speakers are looked at once. A narrower model (``--width``) trains several times as fast. With ``--out``, finished folds
are kept and the same command resumes.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from merflow.contracts.comparisons import Comparison
from merflow.contracts.params_files import shipped_params
from merflow.contracts.presets import UserPresets
from merflow.contracts.results import Results
from merflow.contracts.score_results import of_emotions
from merflow.corpus.source import CorpusSource
from merflow.corpus.synthetic.release import synthesize
from merflow.jobs.benchmark import benchmark
from merflow.models.mfdr import MFDRConfig
from merflow.presets.user_presets import parse_user_presets

FULL = "full"
OTHERS = ("residual", "proportional", "window-30", "full-size")


def presets_of_width(width: int, names: Sequence[str]) -> UserPresets:
    """Return the presets at another width than the paper's, named with it."""
    entries = [f"{_variant(name, width)}: {{base: mfdr:{name}, config: {{dims: {width}}}}}" for name in names]
    return parse_user_presets(f"presets: {{{', '.join(entries)}}}", where="benchmarks.mfdr_presets")


def _variant(name: str, width: int | None) -> str:
    return f"mfdr:{name}" if width is None else f"mfdr:{name}-{width}"


def run(out: Path, names: Sequence[str], *, options: argparse.Namespace) -> Results:
    """Run the benchmark and return its results."""
    params = shipped_params(
        overrides=(
            f"plan.seeds={options.seeds}",
            f"training.max_epochs={options.max_epochs or 'null'}",
            'training.shadow_selection="off"',
            "tracking.uri=none",
        ),
    )
    return of_emotions(
        benchmark(
            CorpusSource("synthetic", synthesize(out / "release", size="small", video=False)),
            variants=[_variant(name, options.width) for name in names],
            out=out / "run",
            params=params,
            name="presets of mfdr",
            command="python -m benchmarks.mfdr_presets",
            workers=options.workers,
            user_presets=presets_of_width(options.width, names) if options.width else None,
        )
    )


def figures_of(results: Results, names: Sequence[str], *, width: int | None) -> dict[str, Any]:
    """Return the UA of each preset, per seed and of all predictions, and its difference from the full system."""
    full = _variant(FULL, width)
    figures = {}
    for name in names:
        variant = results.variants[_variant(name, width)]
        figures[name] = {
            "UA": variant.ua.pooled,
            "UA_by_seed": {str(each.seed): each.ua for each in variant.over_seeds.each},
            "minus_full": None if name == FULL else _difference(results, _variant(name, width), full),
        }
    return {
        "selection": str(results.variants[full].training.selection),
        "split_id": results.split_id,
        "manifest_hash": results.manifest_hash,
        "utterances": results.utterances,
        "presets": figures,
    }


def _difference(results: Results, variant: str, full: str) -> dict[str, Any]:
    """Return the pair's figures; positive ones favor the variant over the full system."""
    pair: Comparison = next(pair for pair in results.comparisons_of(variant) if pair.other(variant) == full)
    sign = 1 if pair.a == variant else -1
    return {
        "delta_UA": sign * pair.delta_ua,
        "ci95": sorted(sign * end for end in pair.ci95 or ()),
        "p_holm": pair.p_holm,
    }


def main() -> None:
    """Run the comparison and record its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", nargs="+", choices=OTHERS, default=list(OTHERS), help="compare with these alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-epochs", type=int, help="cap; by default the recipe's 40 epochs")
    parser.add_argument("--width", type=int, help="width of the model; by default the paper's 256")
    parser.add_argument("--workers", type=int, default=2, help="folds that train at a time")
    parser.add_argument("--out", type=Path, help="folder to keep")
    options = parser.parse_args()
    names = [FULL, *options.others]
    with nullcontext(options.out) if options.out else tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder), names, options=options)
    figures = figures_of(results, names, width=options.width)
    for name, row in figures["presets"].items():
        print(f"{name}: {100 * row['UA']:.1f}", [f"{100 * share:.1f}" for share in row["UA_by_seed"].values()])
    chosen = {"size": "small", "profile": "lite", "seeds": options.seeds, "max_epochs": options.max_epochs}
    write_result("mfdr_presets", {"settings": chosen | {"width": options.width or MFDRConfig().dims}, **figures})


if __name__ == "__main__":
    main()
