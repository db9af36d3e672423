"""``merflow pipeline``: the jobs as Kubeflow pipelines. It needs the extra ``merflow[pipelines]``."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from merflow.cli import cluster_runs, schedules
from merflow.cli.cluster_options import profiles
from merflow.cli.console import ERR, INTERRUPTED, OUT, print_json, print_table
from merflow.cli.interrupts import INTERRUPTED_CODE
from merflow.cli.live import LiveRun, Loop, steps_table
from merflow.cli.option_groups import with_groups
from merflow.cli.options import (
    CorpusOptions,
    JsonOption,
    ModelsOption,
    ParamsChanges,
    ParamsOption,
    PresetsOption,
    PromotionOption,
    QuarantineOption,
    SeedOption,
    SetOption,
    TranscribeOption,
    command_line,
    load_params,
    variants_of,
)
from merflow.cli.packages import compile_packages, kfp_packages, lint_package
from merflow.cli.rehearse import rehearse_package
from merflow.cli.submit import submit
from merflow.contracts.params import Params
from merflow.contracts.params_files import changes_json, shipped_params
from merflow.contracts.presets import EncoderProfile
from merflow.contracts.promotion_settings import PromotionSettings, benchmark_command, promotion_of
from merflow.contracts.study import read_study_results
from merflow.corpus.readers.catalogue import reader, with_usual_protocol
from merflow.corpus.source import CorpusSource
from merflow.errors import PipelineError, TuningError, nearest
from merflow.storage.local import output_errors, replacing

app = typer.Typer(no_args_is_help=True)

_HERE, _ON_CLUSTER = "On this machine", "On a cluster"

app.command("compile", rich_help_panel=_HERE)(compile_packages)
app.command("lint", rich_help_panel=_HERE)(lint_package)
app.command("rehearse", rich_help_panel=_HERE)(rehearse_package)


@app.command("run", rich_help_panel=_HERE)
@with_groups
def run_pipeline(
    name: Annotated[str, typer.Argument(metavar="PIPELINE", help="The pipeline: benchmark, tune or promote.")],
    *,
    models: ModelsOption,
    out: Annotated[
        Path,
        typer.Option(help="Write the run to this folder. Repeat the command to resume it; finished steps are reused."),
    ],
    corpus: CorpusOptions,
    changes: ParamsChanges,
    seed: SeedOption = None,
    preset: Annotated[
        str, typer.Option("--name", help="Give the preset that tune writes this name. [default: PRESET-tuned]")
    ] = "",
    quarantine: QuarantineOption = False,
    transcribe: TranscribeOption = False,
    presets: PresetsOption = None,
    further: PromotionOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a pipeline on this machine, two folds or workers at a time.

    `tune` takes one variant. The section `tuning` of the parameters sets its trials, workers and storage; `--seed` sets
    the seed of its sampler and of every trial. `promote` goes on from a benchmark: it packages its best variant, or
    the one that `--arg variant=MODEL:PRESET` names, registers it, and makes it the champion if it passes the gate.

    Example: `merflow pipeline run benchmark --models context-mmt:mmt-frozen --out runs/mine`
    """
    from merflow.cli import own_files
    from merflow.contracts.invocation import Invocation, write_invocation
    from merflow.presets.profiles import is_file, profile_text, read_profile
    from merflow.presets.user_presets import presets_text
    from merflow.runs.workspace import Workspace

    packages, variants = kfp_packages(), variants_of(models)
    if name not in packages.PIPELINES:
        raise PipelineError(f"unknown pipeline {name!r}; {nearest(name, packages.PIPELINES)}")
    if name == "monitor":
        raise PipelineError("pipeline monitor is for a cluster; on this machine, run `merflow monitor`")
    tunes = name == "tune"
    adopted = changes if name == "promote" else replace(changes, task=None)  # the others have a parameter for it
    chosen = adopted.applied(load_params(params, overrides), seed=None if tunes else seed)
    chosen, presets = own_files.found(chosen, presets=presets, out=out)
    if tunes and seed is not None:
        chosen = chosen.model_copy(update={"tuning": chosen.tuning.model_copy(update={"seed": seed})})
    if further and name != "promote":
        raise PipelineError(f"--arg {further[0]} is for promote; leave it out for {name}")
    if preset and not tunes:
        raise PipelineError(f"--name {preset} names the preset that tune writes; leave it out for {name}")
    if tunes:
        _check_tunable(variants, presets, name=preset, params=chosen)
    encoders = read_profile(chosen.features.profile)
    _check_names(variants, presets, profile=encoders, params=chosen, source=corpus.source())
    promotion, command = promotion_of(further or ()), command_line()
    if name == "promote":
        from merflow.jobs.plan_promotion import check_promotion

        check_promotion(PromotionSettings(**promotion), models=variants, tracking=chosen.tracking.uri)
        command = benchmark_command(command)
    arguments = {
        "models": variants,
        "corpus": corpus.corpus,
        "root": str(corpus.root.resolve()) if corpus.root else "",
        "size": corpus.size,
        "workspace": str(out.resolve()),
        "name": out.name,
        "quarantine": quarantine,
        "transcribe": transcribe,
        "profile": profile_text(encoders) if is_file(chosen.features.profile) else "",
        "params": changes_json(chosen, base=shipped_params()),
        **({"preset": preset} if tunes else {"presets": presets_text(presets), "command": command}),
        **(promotion if name == "promote" else {"task": changes.task or ""}),
    }
    own_files.carry_along(encoders, presets=presets, out=out)
    folds = with_usual_protocol(chosen.splits, kind=reader(corpus.corpus)).known_folds
    total = folds and folds * len(variants) * len(chosen.plan.seeds)
    loops = {} if tunes else {"train": Loop(total, "folds")}
    finished = _run(packages.PIPELINES[name], arguments, out=out, loops=loops)
    content, table = _collect(finished.outputs, out=out)
    if not tunes:
        write_invocation(out, Invocation(name=out.name, command=command))
    if as_json:
        print_json(content)
        return
    print_table(table)
    OUT.print()
    print_table(steps_table(finished.steps, seconds=finished.seconds))
    OUT.print(f"\n{_left(name, out)}")
    if chosen.tracking.uri == "auto":
        OUT.print(f"MLflow: mlflow ui --backend-store-uri {Workspace(out).tracking_uri}")


def _check_names(
    variants: list[str],
    presets: Path | None,
    *,
    profile: EncoderProfile,
    params: Params,
    source: CorpusSource,
) -> None:
    """Refuse unknown names now, as the first step of the pipeline would a little later."""
    from merflow.presets.profiles import is_file
    from merflow.presets.variants import chosen

    user_presets = {}
    if presets is not None:
        from merflow.folds.presets import read_presets  # loads every model

        user_presets = read_presets(presets, profile=profile)
    named = chosen(variants, user_presets)
    if is_file(params.features.profile) or params.features.encoders_folder:
        from merflow.folds.profiles import profile_of
        from merflow.folds.requested_streams import check_encoders

        profile_of(params.features.profile)
        check_encoders(profile, presets=named, encoders_folder=params.features.encoders_folder)
    source.check(protocol=params.splits.protocol)


def _check_tunable(variants: list[str], presets: Path | None, *, name: str, params: Params) -> None:
    """Refuse now what the study would refuse after hours of extraction."""
    from merflow.contracts.package_facts import refuse_passwords

    if presets is not None:
        raise PipelineError("tune starts from a preset that merflow ships; leave --presets out, and name one of those")
    if len(variants) > 1:
        raise PipelineError(f"tune takes one variant, {len(variants)} are given: {', '.join(variants)}")
    refuse_passwords(params)
    try:
        from merflow.jobs.tune import made_from
    except ModuleNotFoundError as error:
        raise TuningError(f"tuning needs Optuna ({error}); pip install 'merflow[tuning]'") from error
    for variant in variants:
        made_from(variant, name=name)


def _run(pipeline: Any, arguments: dict[str, Any], *, out: Path, loops: dict[str, Loop]) -> Any:  # noqa: ANN401 - kfp has no types
    from merflow.pipelines.local import run_locally

    with output_errors(out), LiveRun(ERR, loops) as live:
        out.mkdir(parents=True, exist_ok=True)
        return run_locally(pipeline, arguments, root=out / "kfp", watcher=live, interrupted=partial(_interrupted, live))


def _interrupted(live: LiveRun) -> int:
    live.stop()
    ERR.print(f"\n{INTERRUPTED}" if ERR.is_terminal else INTERRUPTED)  # the terminal has written ^C
    return INTERRUPTED_CODE


# Output of the last step -> file in the run's folder.
_FILES = {
    "results": "results.json",
    "report": "report.html",
    "summary": "study.json",
    "presets": "presets.yaml",
    "page": "study.html",
    "card": "card.html",
    "decision": "decision.md",
}


def _collect(outputs: dict[str, Any], *, out: Path) -> tuple[dict[str, Any], Table]:
    """Copy the outputs of the last step into the run's folder; return its JSON content and a table for people."""
    from merflow.cli.tune import best_trials
    from merflow.contracts.score_results import read_any_results
    from merflow.evaluation.report.table_files import write_tables
    from merflow.evaluation.report.terminal import results_table
    from merflow.presets.catalogue import published_tables

    for output, artifact in outputs.items():
        with replacing(out / _FILES[output]) as part:
            shutil.copyfile(artifact.path, part)
    if "results" not in outputs:
        study = read_study_results(out / _FILES["summary"])
        return study.model_dump(mode="json"), best_trials(study)
    results = read_any_results(out / _FILES["results"])
    write_tables(results, out, papers=published_tables())
    return results.as_json(), results_table(results)


def _left(name: str, out: Path) -> str:
    """Return the sentence that names the files to open."""
    if name == "tune":
        return f"Preset: {out / _FILES['presets']}. Figures: {out / _FILES['page']}"
    report = f"Report: {out / _FILES['report']}"
    if name == "promote":
        return f"{report}\nCard: {out / _FILES['card']}. Decision of the gate: {out / _FILES['decision']}"
    return report


app.command("submit", rich_help_panel=_ON_CLUSTER)(submit)
app.command("status", rich_help_panel=_ON_CLUSTER)(cluster_runs.status)
app.command("wait", rich_help_panel=_ON_CLUSTER)(cluster_runs.wait)
app.command("logs", rich_help_panel=_ON_CLUSTER)(cluster_runs.logs)
app.command("list", rich_help_panel=_ON_CLUSTER)(cluster_runs.list_runs)
app.command("cancel", rich_help_panel=_ON_CLUSTER)(cluster_runs.cancel)
app.command("retry", rich_help_panel=_ON_CLUSTER)(cluster_runs.retry)
app.command("profiles", rich_help_panel=_ON_CLUSTER)(profiles)
app.add_typer(
    schedules.app, name="schedule", rich_help_panel=_ON_CLUSTER, help="Run pipelines on a cluster on a schedule."
)
