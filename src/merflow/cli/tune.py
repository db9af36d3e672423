"""``merflow tune``. It needs the extra ``merflow[tuning]``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.option_groups import with_groups
from merflow.cli.options import (
    CorpusOptions,
    JsonOption,
    ParamsChanges,
    ParamsOption,
    QuarantineOption,
    SetOption,
    TranscribeOption,
    load_params,
)
from merflow.contracts.params import Params, TuningParams
from merflow.contracts.strict import parse
from merflow.contracts.study import StudyResults
from merflow.corpus.source import CorpusSource
from merflow.errors import TuningError
from merflow.runs.data import Data


@with_groups
def tune(
    model: Annotated[str, typer.Argument(help="The variant to tune: MODEL:PRESET, or MODEL for its fullest preset.")],
    *,
    out: Annotated[
        Path, typer.Option(help="Write the study to this folder. The same command continues an interrupted study.")
    ],
    trials: Annotated[
        int | None, typer.Option(help="Finish this number of trials, counting earlier ones.", min=1)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Run this number of trials at the same time on this machine.", min=1)
    ] = None,
    folds: Annotated[
        str | None,
        typer.Option(
            help="Average the development UA, or CCC of scores, over these folds, for example 1,2. "
            "[default: the first two, or the only one]"
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Keep the study in this database: postgresql://USER@HOST/DB for several machines, with the password "
            "in PGPASSWORD. [default: SQLite in --out]"
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Give the study this name in the database. [default: the variant]")
    ] = None,
    name: Annotated[str, typer.Option(help="Give the tuned preset this name. [default: PRESET-tuned]")] = "",
    manifest: Annotated[
        Path | None, typer.Option(help="The validated manifest, together with --splits and --features.")
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="The splits of that manifest.")] = None,
    features: Annotated[Path | None, typer.Option(help="The JSON file from `merflow features extract`.")] = None,
    corpus: CorpusOptions,
    changes: ParamsChanges,
    quarantine: QuarantineOption = False,
    transcribe: TranscribeOption = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for the best parameters of a variant on development data, and write them as a preset.

    Name a manifest with its splits and features, or a corpus to prepare. The first trial has the preset's own values.
    If the study is in PostgreSQL, several of these commands on different machines may share its trials.

    Example: `merflow tune context-mmt:mmt-frozen --trials 50 --workers 2 --out runs/tune`
    """
    try:
        from merflow.cli import own_files
        from merflow.jobs.tune import PAGE, PRESETS, made_from
        from merflow.jobs.tune import tune as tune_job
        from merflow.tuning.search import folds_of, variant_of
    except ModuleNotFoundError as error:
        raise TuningError(f"tuning needs Optuna ({error}); pip install 'merflow[tuning]'") from error
    variant = variant_of(model)
    made_from(variant, name=name)
    chosen = changes.applied(load_params(params, overrides))
    chosen, _ = own_files.found(chosen, presets=None, out=out)
    given = {"trials": trials, "workers": workers, "folds": folds and folds_of(folds), "storage": storage}
    set_here = {key: value for key, value in given.items() if value is not None}
    tuning = parse(TuningParams, chosen.tuning.model_dump() | set_here, where="tuning")
    with progress_bars() as progress:
        data = _given(manifest, splits, features) or _made(
            variant,
            out=out,
            tuning=tuning,
            params=chosen,
            source=corpus.source(),
            quarantine=quarantine,
            asr=transcribe,
            progress=progress,
        )
        results = tune_job(
            variant,
            data,
            out=out,
            study=study or variant,
            name=name,
            params=tuning,
            training=chosen.training,
            tracking=chosen.tracking,
            progress=progress,
        )
    if as_json:
        print_json(results.model_dump(mode="json"))
        return
    print_table(best_trials(results))
    OUT.print(f"\nPreset {results.preset} is in {out / PRESETS}; the study's page is {out / PAGE}")
    OUT.print(
        f"To test it: merflow benchmark --presets {out / PRESETS} --models {variant},{results.preset} --out DIR, with "
        "this command's options for the corpus, the task and the splits"
    )


def _given(manifest: Path | None, splits: Path | None, features: Path | None) -> Data | None:
    """Return the files that the options name, or None if they name none.

    Raises:
        TuningError: The options name some of the files but not all.
    """
    named = {"--manifest": manifest, "--splits": splits, "--features": features}
    missing = [option for option, path in named.items() if path is None]
    if manifest is not None and splits is not None and features is not None:
        return Data(manifest, splits, features)
    if len(missing) < len(named):
        raise TuningError(
            f"{', '.join(missing)} is missing; give all of {', '.join(named)}, or none of them and a --corpus"
        )
    return None


def _made(
    variant: str,
    *,
    out: Path,
    tuning: TuningParams,
    params: Params,
    source: CorpusSource,
    **settings: Any,  # noqa: ANN401
) -> Data:
    """Prepare manifest, splits and features of a corpus, like ``merflow benchmark``.

    Raises:
        TuningError: The protocol lacks one of the folds.
        SplitError: The corpus's splits lack one of the folds.
    """
    from merflow.cli.own_files import carry_along
    from merflow.corpus.readers.catalogue import reader, with_usual_protocol
    from merflow.folds.profiles import profile_of
    from merflow.folds.requested_streams import check_encoders
    from merflow.jobs.prepare import prepare
    from merflow.jobs.tuned_folds import with_known_folds
    from merflow.presets.variants import chosen

    source.check(protocol=params.splits.protocol)
    usual = with_usual_protocol(params.splits, kind=reader(source.corpus))
    folds = with_known_folds(tuning, splits=usual).folds
    needed = () if folds == "auto" else folds
    presets, profile = chosen([variant]), profile_of(params.features.profile)
    check_encoders(profile, presets=presets, encoders_folder=params.features.encoders_folder)
    carry_along(profile, presets=None, out=out)
    return prepare(source, variants=[variant], out=out, params=params, profile=profile, needed_folds=needed, **settings)


def best_trials(results: StudyResults) -> Table:
    """Return the study's best trials, and below them the preset's own values."""
    subject = results.subject
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        caption=f"{subject.figure}: {subject.objective}, for which the best trial was chosen; test it on test data",
    )
    for column in ("trial", subject.figure, *(f"fold {fold}" for fold in results.subject.folds)):
        table.add_column(column, justify="left" if column == "trial" else "right", no_wrap=True)
    for setting in results.settings:
        table.add_column(setting.partition(".")[2], justify="right", no_wrap=True)
    rows = [(str(trial.trial), trial) for trial in results.ranked]
    for label, trial in [*rows, *([("preset's own", results.untuned)] if results.untuned else [])]:
        figures = [trial.figure, *trial.folds.values()]
        values = [_short(trial.values[name]) if name in trial.values else "" for name in results.settings]
        table.add_row(label, *map(subject.shown, figures), *values)
    return table


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "none" if value is None else str(value)
