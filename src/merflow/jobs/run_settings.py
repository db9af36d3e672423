"""The settings of a pipeline's run, and their checks before anything runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.dvc_versions import DvcVersions
from merflow.contracts.gpu_steps import gpus_used
from merflow.contracts.package_facts import PackageFacts, refuse, refuse_passwords
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.contracts.presets import EncoderProfile
from merflow.contracts.requests import DataDigests
from merflow.contracts.strict import parse_json
from merflow.contracts.task import TASK_NAMES
from merflow.errors import ParamsError, nearest
from merflow.jobs.data_versions import recorded_versions
from merflow.jobs.fingerprint import fingerprint
from merflow.runs.code_closure import code_digests


@dataclass(frozen=True)
class RunSettings:
    """The settings of a pipeline's run that the user gives.

    Attributes:
        models: Variants, ``model:preset`` each.
        corpus: Name of the corpus's reader.
        root: Release folder or utterance table; empty to generate a synthetic corpus.
        size: Size of a synthetic corpus.
        workspace: Folder that all steps share.
        name: Name of the run in MLflow and in the report.
        quarantine: True to set bad rows aside instead of failing.
        transcribe: True to transcribe the recordings with Whisper.
        presets: Text of a file of user presets; empty for none.
        profile: Text of the user's encoder profile; empty for the one that ``features.profile`` names.
        params: Changes to the parameters that merflow ships, as YAML or JSON.
        digests: Digests of the run's files, as JSON of :class:`merflow.contracts.requests.DataDigests`; empty to take
            them now.
        task: The thing that models learn; empty for the one that ``splits.task`` names.
    """

    models: Sequence[str]
    corpus: str
    root: str
    size: str
    workspace: str
    name: str
    quarantine: bool
    transcribe: bool
    presets: str
    profile: str
    params: str
    digests: str
    task: str = ""


def params_of(settings: RunSettings) -> Params:
    """Return the parameters of a run, with its task.

    Raises:
        ParamsError: The task is unknown; or the changes are wrong, or change the section ``cluster``, which is compiled
            into a package.
    """
    shipped = shipped_params()
    params = with_changes(shipped, settings.params)
    if params.cluster != shipped.cluster:
        raise ParamsError(
            "params: the section cluster is compiled into a pipeline and cannot change in a run; compile the pipeline "
            "again with merflow pipeline compile --set cluster.KEY=VALUE"
        )
    return with_task(params, settings.task)


def with_task(params: Params, task: str) -> Params:
    """Return the parameters with a task; empty for their own.

    Raises:
        ParamsError: No task has this name.
    """
    if not task:
        return params
    if task not in TASK_NAMES:
        raise ParamsError(f"unknown task {task!r}; {nearest(task, TASK_NAMES)}")
    return params.model_copy(update={"splits": params.splits.model_copy(update={"task": task})})


def check_package(params: Params, *, profile: EncoderProfile, transcribe: bool, tunes: bool) -> None:
    """Raise if the parameters cannot work in the package that this run was started from.

    Raises:
        ParamsError: A parameter has a password, asks for what the package lacks, or the image has other code.
    """
    refuse_passwords(params)
    facts = PackageFacts.read(os.environ)
    if facts is not None:
        _check_code(facts)
        refuse(params, facts, used=gpus_used(params, profile=profile, transcribe=transcribe), tunes=tunes)


def _check_code(facts: PackageFacts) -> None:
    """Refuse an image with other code than the package was compiled from: its results would not be the package's."""
    here = code_digests()
    differing = sorted(step for step, code in facts.code.items() if here.get(step) != code)
    if differing:
        raise ParamsError(
            f"the image has other code than this package was compiled from, in {', '.join(differing)}; compile the "
            "package with the image's version of merflow, or build the image again"
        )


def dvc_versions() -> DvcVersions | None:
    """Return the versions of the DVC project that a run was started from: of its package, or of the current folder."""
    facts = PackageFacts.read(os.environ)
    return facts.dvc if facts is not None else recorded_versions(Path.cwd())


def digests_of(settings: RunSettings, params: Params, *, profile: EncoderProfile) -> DataDigests:
    """Return the digests of the run's files: those of an earlier step, or new ones.

    Raises:
        ParamsError: The given digests are not JSON of them.
    """
    if settings.digests:
        return parse_json(DataDigests, settings.digests, where="digests")
    return fingerprint(
        corpus=settings.corpus,
        root=settings.root,
        transcribe=settings.transcribe,
        params=params,
        profile=profile,
    )
