"""``merflow doctor``: checks of the services and of the machine that runs need."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from merflow.cli.cluster_options import ClusterOptions
from merflow.cli.console import ERR, OUT, print_json
from merflow.cli.option_groups import with_groups
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params

_STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red", "not configured": "dim"}


@with_groups
def doctor(
    *,
    cluster: ClusterOptions,
    image: Annotated[str | None, typer.Option("--image", help="Check this image. [default: cluster.image]")] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", help="Count a check as wrong if it has no answer after this many seconds.", min=0.1),
    ] = 60.0,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything that runs need: KFP, MLflow, S3, the DVC remote, the database of studies, GPUs and the image.

    Each check prints ok, warning, wrong or not configured, what it found, and what to do. The checks of KFP, MLflow, S3
    and the database write something small and delete it again. The exit code is 1 if something is wrong.

    Example: `merflow doctor --profile lab`
    """
    from merflow.doctor.checkup import checks_of
    from merflow.doctor.findings import examine
    from merflow.submission.profiles import config_file, warnings_of

    chosen, reason = None, ""
    path = config_file()
    if path.exists() or cluster.profile or cluster.host:
        chosen = cluster.chosen()
    else:
        reason = f"there are no cluster profiles: {path} does not exist"
    checks = checks_of(chosen, load_params(params, overrides), image=image, around=Path.cwd(), reason=reason)
    findings = examine(checks, timeout_s=timeout)
    if as_json:
        print_json({name: finding.as_json() for name, finding in findings.items()})
    else:
        for name, finding in findings.items():
            OUT.print(Text.assemble((f"{finding.state:<14}", _STYLES[finding.state]), f"  {name}: {finding.said}"))
            if finding.remedy:
                OUT.print(f"{'':<16}{finding.remedy}", markup=False)
        for text in () if chosen is None else warnings_of(path, chosen):
            ERR.print(f"warning: {text}", markup=False)
    if any(finding.state == "wrong" for finding in findings.values()):
        raise typer.Exit(1)
