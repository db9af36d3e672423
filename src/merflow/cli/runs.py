"""``merflow presets``, ``train``, ``evaluate`` and ``plots``."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.options import (
    JsonOption,
    ParamsOption,
    PresetsOption,
    SetOption,
    command_line,
    load_params,
)

if TYPE_CHECKING:
    from merflow.contracts.presets import Preset


def presets(
    presets: PresetsOption = None,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write one JSON file per preset into this folder instead, with everything that its training reads."
        ),
    ] = None,
) -> None:
    """List every preset with its inputs and the figures that its paper reports, each with its corpus and protocol.

    Example: `merflow presets --json`
    """
    from merflow.presets import catalogue

    if out is not None:
        from merflow.folds.presets import write_presets

        write_presets(out)
        return
    known_presets = dict(catalogue.presets())
    if presets is not None:
        from merflow.folds.presets import read_presets

        known_presets |= read_presets(presets)
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
                    "published": [figure.model_dump(mode="json") for figure in preset.published],
                    **({"base": preset.base} if preset.base else {}),
                }
                for preset in known_presets.values()
            ]
        )
        return
    print_table(_presets_table(known_presets.values()))
    OUT.print("\nSentiment on the official split of CMU-MOSEI:")
    print_table(_sentiment_table(known_presets.values()))
    for preset in known_presets.values():
        if preset.base:
            OUT.print(f"{preset.variant} is made from {preset.base}, and the figures are those of {preset.base}")
        elif not preset.published:
            OUT.print(f"{preset.variant} is not a row of a table: {preset.table}")
    for variant, reason in catalogue.unavailable().items():
        OUT.print(f"{variant} is left out: {reason}")


def _presets_table(presets: Iterable["Preset"]) -> Table:
    """Return a line per preset and per test on IEMOCAP that its paper reports."""
    from merflow.contracts.published import IEMOCAP4, METRICS, by_test

    metrics = METRICS[:3]  # WA, UA and F1 of emotions
    table = Table(
        box=None,
        padding=(0, 1, 0, 0),
        header_style="bold",
        caption="A audio, T text, V video. Figures are the papers' own on IEMOCAP, by protocol. "
        "A question mark: perhaps another system's. --json lists all.",
    )
    for column in ("variant", "inputs", "table", "tested on", *metrics):
        table.add_column(column, no_wrap=True)
    for preset in presets:
        inputs = " ".join(modality[0].upper() for modality in sorted(preset.inputs))
        tests = by_test(figure for figure in preset.published if figure.corpus == IEMOCAP4)
        if not tests:
            table.add_row(preset.variant, inputs)
        for number, (test, on_test) in enumerate(tests.items()):
            table.add_row(
                *((preset.variant, inputs) if not number else ("", "")),
                next(iter(on_test.values())).table,
                test.protocol,
                *(on_test[metric].text if metric in on_test else "" for metric in metrics),
            )
    return table


def _sentiment_table(presets: Iterable["Preset"]) -> Table:
    """Return a line per preset whose paper reports sentiment on CMU-MOSEI; columns name the conventions."""
    from merflow.contracts.published import METRICS, MOSEI, by_test
    from merflow.contracts.score_figures import counterpart

    told = [
        (preset, figures)
        for preset in presets
        for test, figures in by_test(preset.published).items()
        if test.corpus == MOSEI
    ]
    columns = dict.fromkeys(
        (metric, counterpart(metric, model=preset.model) or f"{metric} of unknown convention")
        for metric in METRICS
        for preset, figures in told
        if metric in figures
    )
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for column in ("variant", "table", *(name for _, name in columns)):
        table.add_column(column, no_wrap=True)
    for preset, figures in told:
        texts = (figures[metric].text if metric in figures else "" for metric, _ in columns)
        table.add_row(preset.variant, next(iter(figures.values())).table, *texts)
    return table


def train(
    item: Annotated[
        str,
        typer.Argument(
            help="The fold to train: MODEL:PRESET:FOLD, for example context-mmt:mmt-frozen:1, or with a seed "
            "MODEL:PRESET:FOLD:SEED."
        ),
    ],
    manifest: Annotated[Path, typer.Option(help="The validated manifest.")],
    splits: Annotated[Path, typer.Option(help="The splits of that manifest.")],
    features: Annotated[Path, typer.Option(help="The JSON file from `merflow features extract`.")],
    out: Annotated[
        Path,
        typer.Option(
            help="Write the trained fold to this folder. During training, checkpoints/ next to it holds the state."
        ),
    ],
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Train one fold of one variant, and select the epoch on development data.

    If `torchrun` starts this command on one or more nodes, its processes train the fold together; set
    `training.devices_per_fold` to the number of processes.

    Example: `merflow train context-mmt:mmt-frozen:1 --manifest m.parquet --splits s.parquet --features f.json --out f1`
    """
    from merflow.folds.presets import read_presets
    from merflow.jobs.train import train as train_job

    checkpoints = out.parent / "checkpoints"
    with progress_bars() as progress:
        train_job(
            item,
            manifest=manifest,
            splits=splits,
            features=features,
            out=out,
            checkpoints=checkpoints,
            params=load_params(params, overrides).training,
            user_presets=read_presets(presets),
            progress=progress,
        )
    with suppress(OSError):  # other folds may be unfinished
        checkpoints.rmdir()


def evaluate(
    folds: Annotated[list[Path], typer.Argument(help="The folders of trained folds.")],
    manifest: Annotated[Path, typer.Option(help="The validated manifest.")],
    splits: Annotated[Path, typer.Option(help="The splits of that manifest.")],
    out: Annotated[Path, typer.Option(help="Write results.json and report.html to this folder.")],
    name: Annotated[str, typer.Option(help="Give the report this title.")] = "benchmark",
    classics: Annotated[
        Path | None,
        typer.Option(help="Compare the variants with the classics in this folder, which `merflow classics` wrote."),
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the results of trained folds, and write the report.

    Example: `merflow evaluate runs/x/folds/*/*/fold-* --manifest m.parquet --splits s.parquet --out runs/x`
    """
    from merflow.evaluation.report.terminal import results_table
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
        classics=classics,
    )
    print_json(results.as_json()) if as_json else print_table(results_table(results))


def plots(
    folds: Annotated[list[Path], typer.Argument(help="The folders of trained folds.")],
    results: Annotated[Path, typer.Option(help="The results.json that `merflow evaluate` wrote for these folds.")],
    metrics: Annotated[Path, typer.Option(help="Write the main figures to this JSON file.")],
    out: Annotated[Path, typer.Option(help="Write the tables to this folder, replacing its content.")],
) -> None:
    """Write learning curves, confusion matrices and reliability as small tables, for `dvc plots` or a spreadsheet.

    If the task is a score, the tables are learning curves, scatter plots, residuals and errors.

    Example: `merflow plots runs/x/folds/*/*/fold-* --results runs/x/results.json --metrics x.json --out runs/x/plots`
    """
    from merflow.jobs.plots import plots as plots_job

    plots_job(folds, results=results, metrics=metrics, out=out)
