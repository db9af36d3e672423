"""``merflow pipeline compile`` and ``merflow pipeline lint``: packages for a cluster, and the rules for them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from merflow.cli.console import ERR, OUT, print_json
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params
from merflow.contracts.numerals import plural
from merflow.errors import PipelineError
from merflow.storage.local import output_errors

AllowOption = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="RULE", help="Skip this rule of `merflow pipeline lint`. Can be repeated."),
]


def compile_packages(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PIPELINE]...", help="Compile these pipelines: benchmark, tune, promote, monitor. [default: all]"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Write the packages to this folder.")] = Path("packages"),
    transcribe: Annotated[
        bool, typer.Option("--transcribe", help="Give transcription a GPU, and make it the default of the runs.")
    ] = False,
    allow: AllowOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
) -> None:
    """Compile pipelines into packages for a cluster.

    The section `cluster` of the parameters sets the image and the pods: GPUs, CPUs, memory, volume, secrets, nodes.
    Changes to other sections become the default of the pipeline's parameter `params`. Settings that cannot work on a
    cluster are refused, and so is a package that breaks a rule of `merflow pipeline lint`.

    Example: `merflow pipeline compile benchmark --set tracking.uri=http://mlflow.mlops:5000`
    """
    from merflow.jobs.data_versions import recorded_versions
    from merflow.pipelines.lint.catalogue import lint
    from merflow.pipelines.lint.package import Package

    packages, chosen = kfp_packages(), load_params(params, overrides)
    dvc = recorded_versions(Path.cwd())
    with output_errors(out):
        named = {"names": names} if names else {}
        written = packages.compile_packages(
            out, params=chosen, transcribe=transcribe, allowed=allow or (), dvc=dvc, **named
        )
    for path in written:
        for finding in lint(Package.read(path), allowed=allow or ()):
            ERR.print(f"{path}: {finding}", markup=False)
        OUT.print(str(path))


def lint_package(
    package: Annotated[Path, typer.Argument(help="A package written by `merflow pipeline compile`.")],
    allow: AllowOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a package for problems on a cluster: known bugs of KFP and Argo, secrets, GPUs, retries, sizes.

    Each line names the rule, the place, the problem and one thing to do. The exit code is 2 if there is an error.

    Example: `merflow pipeline lint packages/benchmark.yaml --allow image-tag`
    """
    from merflow.pipelines.lint.catalogue import RULES, lint
    from merflow.pipelines.lint.package import Package

    findings = lint(Package.read(package), allowed=allow or ())
    errors = sum(strict or finding.severity == "error" for finding in findings)
    if as_json:
        print_json({"package": str(package), "errors": errors, "findings": [each.as_json() for each in findings]})
    else:
        for finding in findings:
            OUT.print(str(finding), markup=False)
        warnings = len(findings) - errors
        checked = plural(len(RULES) - len(set(allow or ())), "rule")
        OUT.print(f"{package}: {checked}, {plural(errors, 'error')}, {plural(warnings, 'warning')}")
    if errors:
        raise typer.Exit(2)


def kfp_packages() -> Any:  # noqa: ANN401 - a module
    """Return the module of the packages.

    Raises:
        PipelineError: KFP is not installed.
    """
    try:
        from merflow.pipelines import packages
    except ImportError as error:
        raise PipelineError(f"pipelines need KFP ({error}); install merflow[pipelines]") from error
    return packages
