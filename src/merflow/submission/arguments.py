"""The parameters of a run, checked before submission just as its first step would check them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merflow.contracts.gpu_steps import gpus_used
from merflow.contracts.monitoring_requests import MonitoringSettings
from merflow.contracts.package_facts import refuse, refuse_passwords
from merflow.contracts.params import Params
from merflow.contracts.params_files import changes_json, read_params, shipped_params, with_changes, with_overrides
from merflow.contracts.presets import EncoderProfile
from merflow.contracts.promotion_settings import PromotionSettings, benchmark_command
from merflow.corpus.readers.catalogue import READERS, check_protocol, with_usual_protocol
from merflow.errors import ParamsError, PresetError, SubmissionError, nearest
from merflow.jobs.plan_monitoring import plan_monitoring
from merflow.pipelines.lint.package import Package
from merflow.presets.profiles import is_file, parse_profile, profile_text, read_profile
from merflow.presets.user_presets import presets_text
from merflow.presets.variants import chosen as check_variants

TUNE, PROMOTE, MONITOR = "merflow-tune", "merflow-promote", "merflow-monitor"


@dataclass(frozen=True)
class RunOptions:
    """A user's settings for a run; None keeps the package's default.

    Attributes:
        models: Variants, each as ``model:preset``.
        corpus: Name of the corpus's reader.
        root: The corpus as the pods see it.
        size: Size of a synthetic corpus.
        task: Target that the models learn.
        name: Name of the run in MLflow, or of the study.
        preset: Name of the preset that ``tune`` writes.
        quarantine: True to set bad rows aside.
        transcribe: True to transcribe the recordings.
        presets: File of user presets.
        further: Parameters of ``promote`` (:mod:`merflow.contracts.promotion_settings`) or of ``monitor``
            (:mod:`merflow.contracts.monitoring_requests`).
        params: File of parameters that replace the package's.
        overrides: Changes to single parameters, each as ``training.threads=2``.
        command: The command that repeats the run.
    """

    models: Sequence[str]
    corpus: str | None
    root: str | None
    size: str | None
    task: str | None
    name: str | None
    preset: str | None
    quarantine: bool
    transcribe: bool
    presets: Path | None
    further: Mapping[str, Any]
    params: Path | None
    overrides: tuple[str, ...]
    command: str


def pipeline_name(package: Package) -> str:
    """Return the name of a package's pipeline."""
    return str(package.spec.get("pipelineInfo", {}).get("name", "pipeline"))


def arguments(package: Package, options: RunOptions) -> dict[str, Any]:
    """Return the parameters of a run.

    Raises:
        SubmissionError: The package lacks a parameter, or a value cannot work.
        ParamsError: The parameters are wrong, or cannot work in this package.
        PresetError: A variant is unknown.
    """
    if pipeline_name(package) == MONITOR:
        return _of_monitor(package, options)
    if "models" not in package.parameters:
        raise SubmissionError("this package is not one of merflow's: it has no parameter models; compile one of them")
    if not options.models:
        raise SubmissionError(f"{pipeline_name(package)} trains variants; name them with --models")
    if options.task is not None and "task" not in package.parameters:  # promote has too many parameters to add it
        options = replace(options, task=None, overrides=(*options.overrides, f"splits.task={options.task}"))
    params = _params(package, options)
    tunes = pipeline_name(package) == TUNE
    _check(package, params, options, tunes=tunes)
    chosen = _chosen_params(package, options)
    own_profile = profile_text(_profile(package, params)) if is_file(params.features.profile) else None
    given = {
        "models": list(options.models),
        "corpus": options.corpus,
        "root": options.root,
        "size": options.size,
        "task": options.task,
        "name": options.name,
        "preset": options.preset,
        "quarantine": options.quarantine or None,
        "transcribe": options.transcribe or None,
        "presets": presets_text(options.presets) if options.presets else None,
        "profile": own_profile,
        "params": None if chosen is None else changes_json(chosen, base=shipped_params()),
        "command": _command(package, options),
        **options.further,
    }
    values = {name: value for name, value in given.items() if value is not None}
    for name in values:
        if name not in package.parameters:
            raise SubmissionError(
                f"{pipeline_name(package)} has no parameter {name}; leave its option out "
                f"({nearest(name, package.parameters)})"
            )
    return values


def _of_monitor(package: Package, options: RunOptions) -> dict[str, Any]:
    """Return the parameters of a monitoring run.

    Raises:
        SubmissionError: An option is for pipelines that train, or no traffic is named.
        ParamsError: A parameter is wrong.
    """
    if options.models or options.corpus or options.root:
        raise SubmissionError(f"{MONITOR} trains nothing; leave --models, --corpus and --root out")
    if "traffic" not in options.further:
        raise SubmissionError(f"{MONITOR} compares traffic; name it with --arg traffic=/workspace/traffic")
    params, chosen = _params(package, options), _chosen_params(package, options)
    plan_monitoring(
        MonitoringSettings(**options.further), workspace="", params=changes_json(params, base=shipped_params())
    )
    refuse_passwords(params)
    changed = {} if chosen is None else {"params": changes_json(chosen, base=shipped_params())}
    return {**options.further, **changed}


def _command(package: Package, options: RunOptions) -> str | None:
    if "command" not in package.parameters:
        return None
    return benchmark_command(options.command) if pipeline_name(package) == PROMOTE else options.command


def folds_expected(package: Package, values: Mapping[str, Any]) -> int | None:
    """Return the number of folds that a benchmark trains; None if it depends on the corpus or is unknown."""
    default = package.parameters.get("params", {}).get("defaultValue", "")
    try:
        params = with_changes(shipped_params(), str(values.get("params", default)))
    except ParamsError:
        return None
    kind, models = READERS.get(_corpus(package, values.get("corpus"))), values.get("models")
    splits = params.splits if kind is None else with_usual_protocol(params.splits, kind=kind)
    folds = splits.known_folds
    if folds is None or not isinstance(models, list) or pipeline_name(package) == TUNE:
        return None
    return folds * len(models) * len(params.plan.seeds)


def _profile(package: Package, params: Params) -> EncoderProfile:
    """Return the encoders; they come from the package if it contains the profile that its parameters name."""
    carried = str(package.parameters.get("profile", {}).get("defaultValue", ""))
    if carried and params.features.profile == _packaged(package).features.profile:
        return parse_profile(carried, name="carried", where="the package's profile")
    return read_profile(params.features.profile)


def _params(package: Package, options: RunOptions) -> Params:
    """Return the parameters that the run will have."""
    chosen = _chosen_params(package, options)
    return _packaged(package) if chosen is None else chosen


def _packaged(package: Package) -> Params:
    return with_changes(shipped_params(), str(package.parameters.get("params", {}).get("defaultValue", "")))


def _chosen_params(package: Package, options: RunOptions) -> Params | None:
    """Return the parameters that replace the package's; None if the user changes nothing."""
    if options.params is None and not options.overrides:
        return None
    if any(each.startswith("cluster.") for each in options.overrides):
        raise SubmissionError(
            "--set cluster.KEY: pods are compiled into a package and cannot change in a run; compile it again with "
            "merflow pipeline compile --set cluster.KEY=VALUE"
        )
    if options.params is not None:
        return read_params(options.params, overrides=options.overrides)
    return with_overrides(_packaged(package), options.overrides)


def _corpus(package: Package, chosen: str | None) -> str:
    """Return the corpus of a run: the chosen one, or the package's; empty if there is none."""
    return chosen or str(package.parameters.get("corpus", {}).get("defaultValue", ""))


def _check(package: Package, params: Params, options: RunOptions, *, tunes: bool) -> None:
    if options.corpus is not None and options.corpus not in READERS:
        raise SubmissionError(f"unknown corpus {options.corpus!r}; {nearest(options.corpus, READERS)}")
    corpus = _corpus(package, options.corpus)
    kind = READERS.get(corpus)
    if kind is not None:
        check_protocol(corpus, params.splits.protocol, kind=kind)
    if kind is not None and kind.synthetic and options.size is not None and options.size not in kind.sizes:
        raise SubmissionError(f"unknown size {options.size!r}; {nearest(options.size, kind.sizes)}")
    if options.corpus is not None and not READERS[options.corpus].synthetic and not options.root:
        raise SubmissionError(
            f"corpus {options.corpus} needs --root: its folder as the pods see it, for example /workspace/corpus"
        )
    if options.root and not (options.root.startswith("/") or "://" in options.root):
        raise SubmissionError(
            f"--root {options.root} is a relative path; write it as the pods see it, for example /workspace/corpus"
        )
    if tunes and len(options.models) != 1:
        raise SubmissionError(f"{TUNE} takes one variant, {len(options.models)} are given; name one with --models")
    _check_variants(options)
    if pipeline_name(package) == PROMOTE:
        from merflow.jobs.plan_promotion import check_promotion  # loads torch

        settings = PromotionSettings(**options.further)
        check_promotion(settings, models=list(options.models), tracking=params.tracking.uri)
    refuse_passwords(params)
    facts = package.facts
    if facts is not None:
        profile = _profile(package, params)
        refuse(params, facts, used=gpus_used(params, profile=profile, transcribe=options.transcribe), tunes=tunes)


def _check_variants(options: RunOptions) -> None:
    if options.presets is None:
        check_variants(options.models)
        return
    from merflow.folds.presets import read_presets  # loads every model

    user_presets = read_presets(options.presets, profile=read_profile("paper"))
    try:
        check_variants(options.models, user_presets)
    except PresetError as error:
        raise PresetError(f"{error}; own presets are in {options.presets}") from error
