"""``merflow explain``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from merflow.cli.console import progress_bars


def explain(
    fold: Annotated[Path, typer.Argument(help="The folder of a trained fold.")],
    manifest: Annotated[Path, typer.Option(help="The validated manifest that the fold was trained on.")],
    splits: Annotated[Path, typer.Option(help="The splits of that manifest.")],
    features: Annotated[Path, typer.Option(help="The JSON file from `merflow features extract`.")],
    out: Annotated[
        Path, typer.Option(help="Write figures and arrays to this folder, replacing an earlier explanation.")
    ],
    utterance: Annotated[list[str] | None, typer.Option(help="Draw this test utterance. Can be repeated.")] = None,
    examples: Annotated[int, typer.Option(help="Draw this many utterances if you don't pass --utterance.", min=0)] = 4,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Write the transcript above each figure; check your corpus's licence before you share the figures.",
        ),
    ] = False,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Run the model on this device.")] = "auto",
    against: Annotated[
        Path | None,
        typer.Option(
            help="Show the modality-invariant representations of this fold too. By default, gia-mic:full and "
            "gia-mic:no-mic stand side by side if one run has both."
        ),
    ] = None,
) -> None:
    """Draw attention maps, layer weights, gates and a t-SNE of the embeddings of a trained fold.

    The figures (PNG) and the arrays behind them (NPZ) show test utterances of the fold. For GIA-MIC, there is also a
    t-SNE plot of its modality-invariant representations.

    Example: `merflow explain folds/gia-mic/full/f1 --manifest m.parquet --splits s.parquet --features f.json --out e`
    """
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
            against=against,
            progress=progress,
        )
