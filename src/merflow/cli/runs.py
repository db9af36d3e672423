"""``merflow presets``, ``train``, ``evaluate``, ``plots`` and ``benchmark``."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.options import (
    CorpusOption,
    DevelopmentOption,
    JsonOption,
    ModelsOption,
    ParamsOption,
    PresetsOption,
    ProfileOption,
    ProtocolOption,
    QuarantineOption,
    RootOption,
    SeedOption,
    SetOption,
    SizeOption,
    StoreOption,
    TranscribeOption,
    adjusted,
    command_line,
    load_params,
    variants_of,
)

_PUBLISHED = ("WA", "UA", "F1")


def presets(
    presets: PresetsOption = None,
    as_json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write one JSON file per preset into this folder instead, with everything its training reads."
        ),
    ] = None,
) -> None:
    """List every preset: its paper's year and table, its inputs, and the figures that the paper reports.

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
                    "published": preset.published,
                    **({"base": preset.base} if preset.base else {}),
                }
                for preset in known_presets.values()
            ]
        )
        return
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        caption="A audio, T text, V video; WA, UA, F1: the papers' percentages on IEMOCAP",
    )
    for column in ("variant", "inputs", "year", "table", *_PUBLISHED):
        table.add_column(column, no_wrap=True)
    for preset in known_presets.values():
        figures = [f"{preset.published[key]:.2f}" if key in preset.published else "" for key in _PUBLISHED]
        inputs = " ".join(modality[0].upper() for modality in sorted(preset.inputs))
        table.add_row(preset.variant, inputs, str(preset.paper.year), preset.table, *figures)
    print_table(table)
    for preset in known_presets.values():
        if preset.base:
            OUT.print(f"{preset.variant} is made from {preset.base}, and the figures are those of {preset.base}")
    for variant, reason in catalogue.unavailable().items():
        OUT.print(f"{variant} is left out: {reason}")


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
            help="Write the trained fold to this folder. While it trains, checkpoints/ beside it holds its state."
        ),
    ],
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Train one fold of one variant; the epoch is chosen on development data.

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
    )
    print_json(results.as_json()) if as_json else print_table(results_table(results))


def plots(
    folds: Annotated[list[Path], typer.Argument(help="The folders of trained folds.")],
    results: Annotated[Path, typer.Option(help="The results.json that `merflow evaluate` wrote for these folds.")],
    metrics: Annotated[Path, typer.Option(help="Write the main figures to this JSON file.")],
    out: Annotated[Path, typer.Option(help="Write the tables to this folder, replacing its content.")],
) -> None:
    """Write learning curves, confusion matrices and reliability as small tables, for `dvc plots` or a spreadsheet.

    Example: `merflow plots runs/x/folds/*/*/fold-* --results runs/x/results.json --metrics x.json --out runs/x/plots`
    """
    from merflow.jobs.plots import plots as plots_job

    plots_job(folds, results=results, metrics=metrics, out=out)


def benchmark(
    models: ModelsOption,
    out: Annotated[
        Path, typer.Option(help="Write everything to this folder. The same command continues an interrupted benchmark.")
    ],
    corpus: CorpusOption = "synthetic",
    root: RootOption = None,
    size: SizeOption = "small",
    profile: ProfileOption = None,
    store: StoreOption = None,
    protocol: ProtocolOption = None,
    development: DevelopmentOption = None,
    seed: SeedOption = None,
    quarantine: QuarantineOption = False,
    transcribe: TranscribeOption = False,
    workers: Annotated[int, typer.Option(help="Train this number of folds at the same time.", min=1)] = 2,
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train and compare variants on a corpus, from the raw release to a report.

    The steps are index, validate, transcribe (with --transcribe), split, extract, train and evaluate. `merflow pipeline
    run benchmark` runs the same steps as a Kubeflow pipeline.

    Example: `merflow benchmark --corpus table --root utterances.csv --models context-mmt:mmt-frozen --out runs/mine`
    """
    from merflow.cli import own_files
    from merflow.corpus.source import CorpusSource
    from merflow.evaluation.report.terminal import results_table
    from merflow.folds.presets import read_presets
    from merflow.folds.profiles import profile_of
    from merflow.jobs.benchmark import benchmark as benchmark_job

    chosen = adjusted(
        load_params(params, overrides),
        profile=profile,
        protocol=protocol,
        development=development,
        seed=seed,
        store=store,
    )
    chosen, presets = own_files.found(chosen, presets=presets, out=out)
    encoders = profile_of(chosen.features.profile)
    user_presets = read_presets(presets, profile=encoders)
    own_files.carry_along(encoders, presets=presets, out=out)
    with progress_bars() as progress:
        results = benchmark_job(
            CorpusSource(corpus, root, size),
            variants=variants_of(models),
            out=out,
            params=chosen,
            name=out.name,
            command=command_line(),
            quarantine=quarantine,
            asr=transcribe,
            workers=workers,
            user_presets=user_presets,
            profile=encoders,
            progress=progress,
        )
    print_json(results.as_json()) if as_json else print_table(results_table(results))
