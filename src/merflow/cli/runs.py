"""``merflow presets``, ``train``, ``evaluate`` and ``benchmark``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from merflow.cli.console import (
    JsonOption,
    ParamsOption,
    SetOption,
    load_params,
    print_json,
    print_table,
    progress_bars,
)
from merflow.contracts.params import Params
from merflow.contracts.protocols import Development, Protocol


def command_line() -> str:
    """The command that runs now, as a person would type it again."""
    return shlex.join(["merflow", *sys.argv[1:]])


def variants_of(models: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in models.split(",") if name.strip()]


def adjusted(
    params: Params, *, profile: str | None, protocol: Protocol | None, development: Development | None, seed: int | None
) -> Params:
    """The parameters with the common options of a benchmark on top."""
    splits = {"protocol": protocol, "development": development}
    return params.model_copy(
        update={
            "features": params.features.model_copy(update={"profile": profile} if profile else {}),
            "splits": params.splits.model_copy(update={key: value for key, value in splits.items() if value}),
            "training": params.training.model_copy(update={} if seed is None else {"seed": seed}),
        }
    )


CorpusOption = Annotated[str, typer.Option(help="iemocap, table or synthetic.")]
RootOption = Annotated[Path | None, typer.Option(help="Release folder, or the CSV of a table corpus.")]
SizeOption = Annotated[str, typer.Option(help="Of a synthetic corpus: tiny, small, full.")]
ModelsOption = Annotated[str, typer.Option(help="Variants, model:preset, comma-separated.")]
ProfileOption = Annotated[str | None, typer.Option(help="Encoder profile.")]
ProtocolOption = Annotated[Protocol | None, typer.Option(help="Which utterances test.")]
DevelopmentOption = Annotated[Development | None, typer.Option(help="Which training data choose the epoch.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of the training.", min=0)]
QuarantineOption = Annotated[bool, typer.Option("--quarantine", help="Set bad utterances aside instead of failing.")]


def presets(as_json: JsonOption = False) -> None:
    """List every preset with its paper, table, inputs and the paper's own numbers.

    Example: `merflow presets --json`
    """
    from merflow.presets import catalogue

    found = catalogue.presets().values()
    if as_json:
        print_json(
            [
                {
                    "model": preset.model,
                    "preset": preset.name,
                    "paper": preset.paper.model_dump(),
                    "table": preset.table,
                    "inputs": list(preset.inputs),
                    "stages": list(preset.stages),
                    "published": preset.published,
                }
                for preset in found
            ]
        )
        return
    table = Table(
        box=None, pad_edge=False, header_style="bold", caption="published: the papers' own percentages on IEMOCAP"
    )
    for column in ("variant", "inputs", "paper, table", "WA", "UA"):
        table.add_column(column, no_wrap=True)
    for preset in found:
        figures = [f"{preset.published[key]:.2f}" if key in preset.published else "" for key in ("WA", "UA")]
        table.add_row(preset.variant, " + ".join(preset.inputs), f"{preset.paper.venue}, {preset.table}", *figures)
    print_table(table)


def train(
    item: Annotated[str, typer.Argument(help="model:preset:fold, for example context-mmt:mmt-frozen:1.")],
    manifest: Annotated[Path, typer.Option(help="Validated manifest.")],
    splits: Annotated[Path, typer.Option(help="Its splits.")],
    features: Annotated[Path, typer.Option(help="What `merflow features extract` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the trained fold.")],
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Train one fold of one variant; the epoch is chosen on development data.

    Example: `merflow train context-mmt:mmt-frozen:1 --manifest m.parquet --splits s.parquet --features f.json --out f1`
    """
    from merflow.jobs.train import train as train_job

    with progress_bars() as progress:
        train_job(
            item,
            manifest=manifest,
            splits=splits,
            features=features,
            out=out,
            checkpoints=out.parent / "checkpoints",
            params=load_params(params, overrides).training,
            progress=progress,
        )


def evaluate(
    folds: Annotated[list[Path], typer.Argument(help="Folders of trained folds.")],
    manifest: Annotated[Path, typer.Option(help="Validated manifest.")],
    splits: Annotated[Path, typer.Option(help="Its splits.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and report.html.")],
    name: Annotated[str, typer.Option(help="Title of the report.")] = "benchmark",
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute every figure from trained folds and write the report.

    Example: `merflow evaluate runs/x/folds/*/*/fold-* --manifest m.parquet --splits s.parquet --out runs/x`
    """
    from merflow.evaluation.report import results_table
    from merflow.jobs.evaluate import evaluate as evaluate_job

    results = evaluate_job(
        folds,
        manifest=manifest,
        splits=splits,
        results=out / "results.json",
        report=out / "report.html",
        name=name,
        command=command_line(),
        params=load_params(params, overrides).evaluation,
    )
    print_json(results) if as_json else print_table(results_table(results))


def benchmark(
    models: ModelsOption,
    out: Annotated[Path, typer.Option(help="Folder of the benchmark; the same command goes on where it stopped.")],
    corpus: CorpusOption = "synthetic",
    root: RootOption = None,
    size: SizeOption = "small",
    profile: ProfileOption = None,
    protocol: ProtocolOption = None,
    development: DevelopmentOption = None,
    seed: SeedOption = None,
    quarantine: QuarantineOption = False,
    workers: Annotated[int, typer.Option(help="Folds that train at a time.", min=1)] = 2,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run everything as plain jobs, without KFP: index, validate, split, extract, train, evaluate.

    Example: `merflow benchmark --corpus table --root utterances.csv --models context-mmt:mmt-frozen --out runs/mine`
    """
    from merflow.evaluation.report import results_table
    from merflow.jobs.benchmark import benchmark as benchmark_job
    from merflow.jobs.source import Source

    chosen = adjusted(
        load_params(params, overrides), profile=profile, protocol=protocol, development=development, seed=seed
    )
    with progress_bars() as progress:
        results = benchmark_job(
            Source(corpus, root, size),
            variants=variants_of(models),
            out=out,
            params=chosen,
            name=out.name,
            command=command_line(),
            quarantine=quarantine,
            workers=workers,
            progress=progress,
        )
    print_json(results) if as_json else print_table(results_table(results))
