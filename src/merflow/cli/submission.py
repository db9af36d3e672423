"""The options and the checks of a package for a cluster, which `pipeline submit` and `schedule create` share."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import ERR
from merflow.cli.options import (
    ModelsOption,
    PromotionOption,
    QuarantineOption,
    SetOption,
    command_line,
    load_params,
    variants_of,
)
from merflow.cli.packages import AllowOption, kfp_packages
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
ExperimentOption = Annotated[
    str | None, typer.Option("--experiment", help="KFP experiment of the run. [default: the profile's]")
]
AllowTagOption = Annotated[bool, typer.Option("--allow-tag", help="Accept an image by tag.")]


@dataclass(frozen=True)
class RunSettings:
    """The options of a run that a package's parameters take."""

    models: ModelsOption = ""
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Kind of the corpus. [default: the package's, synthetic]")
    ] = None
    root: Annotated[
        str | None,
        typer.Option("--root", help="Location of the corpus as the pods see it: /workspace/IEMOCAP_full_release"),
    ] = None
    size: Annotated[str | None, typer.Option("--size", help="Size of a synthetic corpus.")] = None
    task: Annotated[
        TaskName | None,
        typer.Option("--task", metavar="<task>", help=f"Learn this: {', '.join(TASK_NAMES)}. [default: the package's]"),
    ] = None
    preset: Annotated[str | None, typer.Option("--preset", help="Name of the preset that tune writes.")] = None
    quarantine: QuarantineOption = False
    transcribe: Annotated[
        bool,
        typer.Option("--transcribe", help="Transcribe the recordings; the package must be compiled with --transcribe."),
    ] = False
    presets: Annotated[Path | None, typer.Option("--presets", help="Read your own presets from this YAML file.")] = None
    further: PromotionOption = None
    params: Annotated[
        Path | None,
        typer.Option("--params", help="Read the parameters from this file. [default: those of the package]"),
    ] = None
    overrides: SetOption = None

    def named(self, name: str | None) -> "RunOptions":
        """Return the options of a run with this name; None for the package's."""
        from merflow.contracts.monitoring_requests import monitoring_of
        from merflow.contracts.promotion_settings import promotion_of
        from merflow.submission.arguments import RunOptions

        given = self.further or []
        monitors = any(text.startswith("traffic=") for text in given)  # only `monitor` has it, and needs it
        return RunOptions(
            models=variants_of(self.models) if self.models else [],
            corpus=self.corpus,
            root=self.root,
            size=self.size,
            task=self.task,
            name=name,
            preset=self.preset,
            quarantine=self.quarantine,
            transcribe=self.transcribe,
            presets=self.presets,
            further=monitoring_of(given) if monitors else promotion_of(given),
            params=self.params,
            overrides=tuple(self.overrides or ()),
            command=command_line(),
        )


@dataclass(frozen=True)
class CheckSettings:
    """The options of a submission's checks: the code that they require, and the problems that they accept."""

    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="COMMIT",
            help="Require the code of this branch, tag or commit, and record the commit. [default: the local code]",
        ),
    ] = None
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run every step, even if KFP has cached its results.")
    ] = False
    allow_tag: AllowTagOption = False
    allow_other_code: Annotated[
        bool,
        typer.Option(
            "--allow-other-code", help="Accept local code, or code in the image, that differs from the package's."
        ),
    ] = False
    allow_unpushed: Annotated[
        bool, typer.Option("--allow-unpushed", help="Accept splits that are not on the DVC remote.")
    ] = False
    allow: AllowOption = None

    def allowed(self) -> tuple[str, ...]:
        """Return the reasons not to submit that the user accepts."""
        from merflow.submission.checks import OTHER_CODE, TAG, UNPUSHED

        given = {TAG: self.allow_tag, OTHER_CODE: self.allow_other_code, UNPUSHED: self.allow_unpushed}
        return tuple(name for name, accepted in given.items() if accepted)


def check_all(package: "Package", path: Path, *, checks: CheckSettings, quiet: bool) -> "Checked":
    """Check a package, and print on standard error what could not be checked, unless it goes into JSON."""
    from merflow.submission.checks import check

    checked = check(
        package,
        path=path,
        around=Path.cwd(),
        revision=checks.revision,
        allowed=checks.allowed(),
        rules=checks.allow or (),
    )
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
