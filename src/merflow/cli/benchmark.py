"""``merflow benchmark``: a corpus or several, from the raw release to a report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from merflow.cli.console import print_json, print_table, progress_bars
from merflow.cli.option_groups import with_groups
from merflow.cli.options import (
    CorpusOptions,
    JsonOption,
    ModelsOption,
    ParamsChanges,
    ParamsOption,
    PresetsOption,
    QuarantineOption,
    SeedOption,
    SetOption,
    TestOnOption,
    TrainOnOption,
    TranscribeOption,
    command_line,
    load_params,
    variants_of,
)


@with_groups
def benchmark(
    context: typer.Context,
    *,
    models: ModelsOption,
    out: Annotated[
        Path, typer.Option(help="Write everything to this folder. The same command continues an interrupted benchmark.")
    ],
    corpus: CorpusOptions,
    train_on: TrainOnOption = None,
    test_on: TestOnOption = None,
    changes: ParamsChanges,
    seed: SeedOption = None,
    quarantine: QuarantineOption = False,
    transcribe: TranscribeOption = False,
    workers: Annotated[
        int | None,
        typer.Option(help="Train this number of folds at the same time. [default: what the machine can take]", min=1),
    ] = None,
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train and compare variants on a corpus, from the raw release to a report.

    The steps are index, validate, transcribe (with --transcribe), split, extract, classics, train and evaluate.
    `merflow pipeline run benchmark` runs the same steps as a Kubeflow pipeline.

    With --train-on and --test-on, models are trained on each corpus of the first and tested on each of the second.

    Example: `merflow benchmark --corpus table --root utterances.csv --models context-mmt:mmt-frozen --out runs/mine`
    """
    from merflow.cli import own_files
    from merflow.evaluation.report.matrix.terminal import matrix_table
    from merflow.evaluation.report.terminal import results_table
    from merflow.folds.presets import read_presets
    from merflow.folds.profiles import profile_of
    from merflow.jobs.benchmark import benchmark as benchmark_job
    from merflow.jobs.cross_corpus import Corpora, cross_corpus

    corpora = None
    if train_on or test_on:
        _check_unset(context, "corpus", "root", "size", instead="--train-on and --test-on")
        corpora = Corpora.of(train_on=train_on or (), test_on=test_on or ())
    chosen = changes.applied(load_params(params, overrides), seed=seed)
    chosen, presets = own_files.found(chosen, presets=presets, out=out)
    encoders = profile_of(chosen.features.profile)
    user_presets = read_presets(presets, profile=encoders)
    own_files.carry_along(encoders, presets=presets, out=out)
    with progress_bars() as progress:
        run: dict[str, Any] = {
            "variants": variants_of(models),
            "out": out,
            "params": chosen,
            "name": out.name,
            "command": command_line(),
            "quarantine": quarantine,
            "asr": transcribe,
            "workers": workers,
            "user_presets": user_presets,
            "profile": encoders,
            "progress": progress,
        }
        if corpora is None:
            results = benchmark_job(corpus.source(), **run)
        else:
            matrix = cross_corpus(corpora, **run)
    if corpora is not None:
        print_json(matrix.as_json()) if as_json else print_table(matrix_table(matrix))
        return
    print_json(results.as_json()) if as_json else print_table(results_table(results))


def _check_unset(context: typer.Context, *names: str, instead: str) -> None:
    """Raise if one of these options was given.

    Raises:
        CorpusError: The message names the options.
    """
    from merflow.errors import CorpusError

    sources = {name: context.get_parameter_source(name) for name in names}
    given = [f"--{name}" for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise CorpusError(f"{', '.join(given)} cannot be combined with {instead}; leave out one or the other")
