"""``merflow explain``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from merflow.cli.console import progress_bars
from merflow.cli.options import PresetsOption


def explain(
    fold: Annotated[Path, typer.Argument(help="Folder of a trained fold.")],
    manifest: Annotated[Path, typer.Option(help="Validated manifest that it was trained on.")],
    splits: Annotated[Path, typer.Option(help="Its splits.")],
    features: Annotated[Path, typer.Option(help="What `merflow features extract` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for figures and arrays; an earlier explanation there is replaced.")],
    utterance: Annotated[list[str] | None, typer.Option(help="Draw this test utterance; may be repeated.")] = None,
    examples: Annotated[int, typer.Option(help="Utterances to draw where none is named.", min=0)] = 4,
    words: Annotated[
        bool, typer.Option("--words", help="Write above the figures what was said; mind the corpus' licence.")
    ] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model runs.")] = "auto",
    presets: PresetsOption = None,
) -> None:
    """Show what a trained fold looks at: attention maps, layer weights, gates, and a t-SNE of its embeddings.

    Figures (PNG) and the arrays behind them (NPZ) of the fold's test utterances.

    Example: `merflow explain folds/gia-mic/full/f1 --manifest m.parquet --splits s.parquet --features f.json --out e`
    """
    from merflow.folds.presets import read_presets
    from merflow.jobs.explain import explain as explain_job

    with progress_bars() as progress:
        explain_job(
            fold,
            manifest=manifest,
            splits=splits,
            features=features,
            out=out,
            utterances=utterance or (),
            examples=examples,
            words=words,
            device=device,
            user_presets=read_presets(presets),
            progress=progress,
        )
