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
    """The user's settings of a pipeline's run.

    Attributes:
        models: Variants, each as ``model:preset``.
        corpus: Name of the corpus's reader.
        root: Release folder or utterance table; empty to generate a synthetic corpus.
        size: Size of a synthetic corpus.
        workspace: Folder that all steps share.
        name: Name of the run in MLflow and in the report.
        quarantine: True to set bad rows aside instead of failing.
        transcribe: True to transcribe the recordings with Whisper.
        presets: Text of a file of user presets; empty for none.
        profile: Text of the user's encoder profile; empty to use ``features.profile``.
        params: Changes to the shipped parameters, as YAML or JSON.
        digests: Digests of the run's files, as JSON of :class:`merflow.contracts.requests.DataDigests`; empty to
            compute them now.
        task: The task that models learn; empty to use ``splits.task``.
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
        ParamsError: The task is unknown; or the changes are invalid, or affect the section ``cluster``, which is
            compiled into a package.
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
    """Return the parameters with a task; an empty task leaves them unchanged.

    Raises:
        ParamsError: No task has this name.
    """
    if not task:
        return params
    if task not in TASK_NAMES:
        raise ParamsError(f"unknown task {task!r}; {nearest(task, TASK_NAMES)}")
    return params.model_copy(update={"splits": params.splits.model_copy(update={"task": task})})


def check_package(params: Params, *, profile: EncoderProfile, transcribe: bool, tunes: bool) -> None:
    """Raise if the parameters cannot work with the package that this run was started from.

    Raises:
        ParamsError: A parameter contains a password or needs something that the package lacks, or the image has other
            code.
    """
    refuse_passwords(params)
    facts = PackageFacts.read(os.environ)
    if facts is not None:
        _check_code(facts)
        refuse(params, facts, used=gpus_used(params, profile=profile, transcribe=transcribe), tunes=tunes)


def _check_code(facts: PackageFacts) -> None:
    """Refuse an image whose code differs from the package's, because its results would differ, too."""
    here = code_digests()
    differing = sorted(step for step, code in facts.code.items() if here.get(step) != code)
    if differing:
        raise ParamsError(
            f"the image has other code than this package was compiled from, in {', '.join(differing)}; compile the "
            "package with the image's version of merflow, or build the image again"
        )


def dvc_versions() -> DvcVersions | None:
    """Return the versions of the DVC project that a run was started from: the package's, or the current folder's."""
    facts = PackageFacts.read(os.environ)
    return facts.dvc if facts is not None else recorded_versions(Path.cwd())


def digests_of(settings: RunSettings, params: Params, *, profile: EncoderProfile) -> DataDigests:
    """Return the digests of the run's files: those of an earlier step, or new ones.

    Raises:
        ParamsError: The given digests are not valid JSON.
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
