"""The options and the checks of a package for a cluster, which `pipeline submit` and `schedule create` share."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import ERR
from merflow.cli.options import command_line, load_params, variants_of
from merflow.cli.packages import kfp_packages
from merflow.contracts.task import TASK_NAMES, TaskName
from merflow.errors import SubmissionError, nearest

if TYPE_CHECKING:
    from merflow.pipelines.lint.package import Package
    from merflow.submission.arguments import RunOptions
    from merflow.submission.checks import Checked


PackageArgument = Annotated[
    str,
    typer.Argument(
        metavar="PACKAGE",
        help="A package of `merflow pipeline compile`, or benchmark, tune, promote or monitor to compile one first.",
    ),
]
CorpusOnClusterOption = Annotated[
    str | None, typer.Option("--corpus", help="Kind of the corpus. [default: the package's, synthetic]")
]
RootOnClusterOption = Annotated[
    str | None,
    typer.Option("--root", help="Location of the corpus as the pods see it: /workspace/IEMOCAP_full_release"),
]
SizeOnClusterOption = Annotated[str | None, typer.Option("--size", help="Size of a synthetic corpus.")]
TaskOnClusterOption = Annotated[
    TaskName | None,
    typer.Option("--task", metavar="<task>", help=f"Learn this: {', '.join(TASK_NAMES)}. [default: the package's]"),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Name of the run in KFP and MLflow; for tune, name of the study.")
]
PresetOption = Annotated[str | None, typer.Option("--preset", help="Name of the preset that tune writes.")]
QuarantineOnClusterOption = Annotated[
    bool, typer.Option("--quarantine", help="Leave invalid utterances out instead of stopping.")
]
TranscribeOnClusterOption = Annotated[
    bool,
    typer.Option("--transcribe", help="Transcribe the recordings; the package must be compiled with --transcribe."),
]
PresetsOnClusterOption = Annotated[
    Path | None, typer.Option("--presets", help="Read your own presets from this YAML file.")
]
ParamsOnClusterOption = Annotated[
    Path | None,
    typer.Option("--params", help="Read the parameters from this file. [default: those of the package]"),
]
ExperimentOption = Annotated[
    str | None, typer.Option("--experiment", help="KFP experiment of the run. [default: the profile's]")
]
RevisionOption = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="COMMIT",
        help="Require the code of this branch, tag or commit, and record the commit. [default: the local code]",
    ),
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Run every step, even if KFP has cached its results.")]
AllowTagOption = Annotated[bool, typer.Option("--allow-tag", help="Accept an image by tag.")]
AllowCodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-other-code", help="Accept local code, or code in the image, that differs from the package's."
    ),
]
AllowUnpushedOption = Annotated[
    bool, typer.Option("--allow-unpushed", help="Accept splits that are not on the DVC remote.")
]


def run_options(
    models: str,
    corpus: str | None,
    root: str | None,
    size: str | None,
    task: str | None,
    name: str | None,
    preset: str | None,
    quarantine: bool,
    transcribe: bool,
    presets: Path | None,
    further: list[str] | None,
    params: Path | None,
    overrides: list[str] | None,
) -> "RunOptions":
    """Return the options of a run."""
    from merflow.contracts.monitoring_requests import monitoring_of
    from merflow.contracts.promotion_settings import promotion_of
    from merflow.submission.arguments import RunOptions

    given = further or []
    monitors = any(text.startswith("traffic=") for text in given)  # which `monitor` needs, and no other pipeline has
    return RunOptions(
        models=variants_of(models) if models else [],
        corpus=corpus,
        root=root,
        size=size,
        task=task,
        name=name,
        preset=preset,
        quarantine=quarantine,
        transcribe=transcribe,
        presets=presets,
        further=monitoring_of(given) if monitors else promotion_of(given),
        params=params,
        overrides=tuple(overrides or ()),
        command=command_line(),
    )


def allowances(tag: bool, other_code: bool, unpushed: bool) -> tuple[str, ...]:
    """Return the reasons not to submit that the user accepts."""
    from merflow.submission.checks import OTHER_CODE, TAG, UNPUSHED

    return tuple(name for name, given in ((TAG, tag), (OTHER_CODE, other_code), (UNPUSHED, unpushed)) if given)


def check_all(
    package: "Package",
    path: Path,
    *,
    revision: str | None,
    allowed: tuple[str, ...],
    rules: Collection[str],
    quiet: bool,
) -> "Checked":
    """Check a package, and print on standard error what could not be checked, unless it goes into JSON."""
    from merflow.submission.checks import check

    checked = check(package, path=path, around=Path.cwd(), revision=revision, allowed=allowed, rules=rules)
    for note in () if quiet else checked.notes:
        ERR.print(f"note: {note}", markup=False)
    return checked


@contextmanager
def prepared(
    named: str, options: "RunOptions", *, no_cache: bool
) -> Iterator[tuple["Package", "RunOptions", str | None, Path]]:
    """Yield the package, the options that are left for its run, its service account, and its path.

    A pipeline's name is compiled first, with the parameters that the options give.
    """
    from dataclasses import replace

    from merflow.contracts.submission import read_submission
    from merflow.pipelines.lint.package import Package
    from merflow.submission.submit import without_cache

    path = Path(named)
    if not path.is_file() and (path.suffix or path.parent != Path()):
        raise SubmissionError(f"there is no package {named}; write it with `merflow pipeline compile`")
    with tempfile.TemporaryDirectory() as folder:
        if not path.is_file():
            packages = kfp_packages()
            if named not in packages.PIPELINES:
                raise SubmissionError(
                    f"{named!r} is neither a package nor a pipeline; {nearest(named, packages.PIPELINES)}"
                )
            chosen = load_params(options.params, list(options.overrides))
            (path,) = packages.compile_packages(
                Path(folder), params=chosen, names=[named], transcribe=options.transcribe, allowed=("image-tag",)
            )
            options = replace(options, params=None, overrides=())
        submission = read_submission(path.parent)
        account = submission.service_account if submission else None
        package = Package.read(path)
        yield without_cache(package) if no_cache else package, options, account, path
