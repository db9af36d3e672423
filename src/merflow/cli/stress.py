"""``merflow stress``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.options import JsonOption, ParamsOption, SetOption, command_line, load_params, variants_of


def stress(
    run: Annotated[Path, typer.Argument(help="The folder of a finished benchmark, that is, its --out.")],
    variant: Annotated[str, typer.Argument(help="The variant to test, MODEL:PRESET.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the results to this folder. [default: stress/MODEL/PRESET in the run]")
    ] = None,
    utterances: Annotated[
        int,
        typer.Option(
            help="Draw this number of test utterances, spread over emotions and speakers, or over the scale.", min=1
        ),
    ] = 400,
    seed: Annotated[int, typer.Option(help="Draw utterances and noise with this seed.", min=0)] = 0,
    conditions: Annotated[
        str | None,
        typer.Option(help="Test these conditions only, separated by commas; docs/stress.md lists them."),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Run the models on this device.")] = "auto",
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test how a trained variant copes with noise, telephone lines, missing words and other bad input.

    Each fold model predicts test utterances of its own fold again, with one thing changed at a time. The page shows
    what every change costs in UA (in CCC for scores), how many predictions it alters, and for which speakers the model
    is worse. An interrupted run continues where it stopped. Failed conditions are a result: the exit code is 0.

    Example: `merflow stress runs/demo gia-mic:full --utterances 200`
    """
    from merflow.jobs.stress import stress as stress_job
    from merflow.stress.page.terminal import conditions_table

    with progress_bars() as progress:
        results, page = stress_job(
            run,
            variant,
            out=out,
            utterances=utterances,
            seed=seed,
            command=command_line(),
            conditions=None if conditions is None else variants_of(conditions),
            encoders_folder=load_params(params, overrides).features.encoders_folder,
            device=device,
            progress=progress,
        )
    if as_json:
        print_json(results.model_dump(mode="json"))
        return
    print_table(conditions_table(results))
    OUT.print(f"\nPage: {page}")
