"""``merflow pipeline``: the same jobs as Kubeflow pipelines. Needs the extra ``merflow[pipelines]``."""

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from merflow.cli.console import ERR, INTERRUPTED, INTERRUPTED_CODE, OUT, print_json, print_table
from merflow.cli.live import LiveRun, Loop, steps_table
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
    TranscribeOption,
    adjusted,
    command_line,
    load_params,
    variants_of,
)
from merflow.contracts.params import sections_json
from merflow.contracts.study import StudyResults, read_study_results
from merflow.errors import PipelineError, TuningError, nearest
from merflow.storage.local import output_errors, read_json, replacing

app = typer.Typer(no_args_is_help=True)


@app.command("compile")
def compile_packages(
    out: Annotated[Path | None, typer.Option(help="Folder of the packages; default: pipelines/compiled.")] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Compile every pipeline into the package that a cluster is given.

    What its pods ask for (GPUs, cores, memory, a volume, nodes) is in the section `cluster` of the parameters. Other
    sections become defaults of the package's runs.

    Example: `merflow pipeline compile --out packages --set cluster.accelerator=none`
    """
    packages, chosen = _packages(), load_params(params, overrides)
    folder = out or packages.COMPILED
    with output_errors(folder):
        for path in packages.compile_all(folder, params=chosen):
            OUT.print(str(path))


@app.command("run")
def run_pipeline(
    name: Annotated[str, typer.Argument(metavar="PIPELINE", help="benchmark or tune")],
    models: ModelsOption,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command reuses every finished step.")],
    corpus: CorpusOption = "synthetic",
    root: RootOption = None,
    size: SizeOption = "small",
    profile: ProfileOption = None,
    protocol: ProtocolOption = None,
    development: DevelopmentOption = None,
    seed: SeedOption = None,
    preset: Annotated[
        str, typer.Option("--name", help="Of tune: name of the preset that is made; default: PRESET-tuned.")
    ] = "",
    quarantine: QuarantineOption = False,
    transcribe: TranscribeOption = False,
    presets: PresetsOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a pipeline on this machine, two folds or workers at a time.

    `tune` takes one variant; trials, workers and storage are in the section `tuning` of the parameters, and `--seed` is
    that of its sampler and of every trial.

    Example: `merflow pipeline run benchmark --models context-mmt:mmt-frozen --out runs/mine`
    """
    from merflow.contracts.invocation import Invocation, write_invocation
    from merflow.corpus.readers.catalogue import reader
    from merflow.corpus.source import CorpusSource
    from merflow.folds.presets import read_presets, step_digests
    from merflow.jobs.steps.tuning import refuse_password
    from merflow.presets.plan import plan
    from merflow.presets.user_presets import presets_text
    from merflow.runs.workspace import Workspace

    packages = _packages()
    if name not in packages.PIPELINES:
        raise PipelineError(f"unknown pipeline {name!r}; {nearest(name, packages.PIPELINES)}")
    if name == "tune":
        _check_tunable(variants_of(models), presets, name=preset)
    elif preset:
        raise PipelineError(f"--name {preset} is for tune, which makes a preset; {name} makes none")
    chosen = adjusted(
        load_params(params, overrides),
        profile=profile,
        protocol=protocol,
        development=development,
        seed=None if name == "tune" else seed,
    )
    if name == "tune":
        if seed is not None:
            chosen = chosen.model_copy(update={"tuning": chosen.tuning.model_copy(update={"seed": seed})})
        refuse_password(chosen.tuning)
    variants, user_presets = variants_of(models), read_presets(presets, profile=chosen.features.profile)
    CorpusSource(corpus, root, size).check(protocol=chosen.splits.protocol)
    folds = plan(
        variants,
        protocol=chosen.splits.protocol,
        profile=chosen.features.profile,
        seeds=chosen.plan.seeds,
        user_presets=user_presets,
    )
    arguments = {
        "models": variants,
        "corpus": corpus,
        "root": str(root.resolve()) if root else "",
        "size": size,
        "workspace": str(out.resolve()),
        "name": out.name,
        "preset": preset,
        "quarantine": quarantine,
        "asr": transcribe,
        "command": command_line(),
        "presets": presets_text(presets),
        "data": reader(corpus).fingerprint(root) if root else "",
        "encoders": _digest_of(chosen.features.encoders_folder),
        "recogniser": _digest_of(chosen.transcription.model),
        **sections_json(chosen),
        **{f"code_{step}": digest for step, digest in step_digests(variants, user_presets).items()},
    }
    pipeline = packages.PIPELINES[name]
    taken = {key: value for key, value in arguments.items() if key in pipeline.component_spec.inputs}
    loops = {"train": Loop(len(folds), "folds")} if name == "benchmark" else {}
    finished = _run(pipeline, taken, out=out, loops=loops)
    found = _collect(finished.outputs, out=out)
    if name == "benchmark":
        write_invocation(out, Invocation(name=out.name, command=command_line()))
    if as_json:
        print_json(found.model_dump(mode="json") if isinstance(found, StudyResults) else found)
        return
    print_table(_table(found))
    OUT.print()
    print_table(steps_table(finished.steps, seconds=finished.seconds))
    OUT.print(f"\n{_left(name, out)}")
    if chosen.tracking.uri == "auto":
        OUT.print(f"MLflow: mlflow ui --backend-store-uri {Workspace(out).tracking_uri}")


def _check_tunable(variants: list[str], presets: Path | None, *, name: str) -> None:
    """Refuses before hours of extraction what the search would refuse after them."""
    if presets is not None:
        raise PipelineError("tune starts from the papers' own presets; leave --presets out, and name one that ships")
    if len(variants) > 1:
        raise PipelineError(f"tune takes one variant, {len(variants)} are given: {', '.join(variants)}")
    try:
        from merflow.jobs.tune import made_from
    except ModuleNotFoundError as error:
        raise TuningError(f"tuning needs Optuna ({error}); pip install 'merflow[tuning]'") from error
    for variant in variants:
        made_from(variant, name=name)


def _packages() -> Any:  # noqa: ANN401 - a module
    try:
        from pipelines import packages
    except ImportError as error:
        raise PipelineError(f"pipelines need KFP ({error}); install merflow[pipelines]") from error
    return packages


def _run(pipeline: Any, arguments: dict[str, Any], *, out: Path, loops: dict[str, Loop]) -> Any:  # noqa: ANN401 - kfp has no types
    from pipelines.local import run_locally

    with output_errors(out), LiveRun(ERR, loops) as live:
        out.mkdir(parents=True, exist_ok=True)
        return run_locally(pipeline, arguments, root=out / "kfp", watcher=live, interrupted=partial(_interrupted, live))


def _interrupted(live: LiveRun) -> int:
    live.stop()
    ERR.print(f"\n{INTERRUPTED}" if ERR.is_terminal else INTERRUPTED)  # the terminal has written ^C
    return INTERRUPTED_CODE


def _digest_of(folder: str) -> str:
    """A digest that changes when a file of the folder does; empty where there is none, as for models of the hub."""
    from merflow.storage.fingerprints import folder_fingerprint

    place = Path(folder).expanduser()
    return folder_fingerprint(place) if folder and place.is_dir() else ""


# Output of the last step -> its name in the run's folder.
_KEPT = {
    "results": "results.json",
    "report": "report.html",
    "summary": "study.json",
    "presets": "presets.yaml",
    "page": "study.html",
}


def _collect(outputs: dict[str, Any], *, out: Path) -> dict[str, Any] | StudyResults:
    """Copies what the last step left to the run's folder; returns the content of the JSON file among it."""
    from merflow.evaluation.report.tables import write_tables
    from merflow.presets.catalogue import published_tables

    for output, artifact in outputs.items():
        with replacing(out / _KEPT[output]) as part:
            shutil.copyfile(artifact.path, part)
    if "results" not in outputs:
        return read_study_results(out / _KEPT["summary"])
    results: dict[str, Any] = read_json(out / _KEPT["results"])
    write_tables(results, out, papers=published_tables())
    return results


def _table(outcome: dict[str, Any] | StudyResults) -> Table:
    from merflow.cli.tune import best_trials
    from merflow.evaluation.report.tables import results_table

    return best_trials(outcome) if isinstance(outcome, StudyResults) else results_table(outcome)


def _left(name: str, out: Path) -> str:
    """Where the outcome is, for people."""
    if name == "tune":
        return f"Preset: {out / _KEPT['presets']}. Figures: {out / _KEPT['page']}"
    return f"Report: {out / _KEPT['report']}"
