"""``merflow pipeline submit``: a package becomes a run on a cluster."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from merflow.cli.cluster_options import ClusterOptions
from merflow.cli.cluster_runs import EveryOption, TimeoutOption, follow
from merflow.cli.console import OUT, print_json
from merflow.cli.option_groups import with_groups
from merflow.cli.options import JsonOption
from merflow.cli.submission import CheckSettings, ExperimentOption, PackageArgument, RunSettings, check_all, prepared

if TYPE_CHECKING:
    from merflow.pipelines.lint.package import Package
    from merflow.submission.checks import Checked


@with_groups
def submit(
    package: PackageArgument,
    *,
    settings: RunSettings,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run in KFP and MLflow; for tune, name of the study.")
    ] = None,
    experiment: ExperimentOption = None,
    checks: CheckSettings,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, and submit nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the run ends, like `merflow pipeline wait`.")
    ] = False,
    timeout: TimeoutOption = None,
    every: EveryOption = 10.0,
    cluster: ClusterOptions,
    as_json: JsonOption = False,
) -> None:
    """Submit a pipeline to a cluster: check it, upload the package as a version of its pipeline, and start a run.

    These are refused, with the reason: a package that breaks a rule of `merflow pipeline lint`, an image without a
    digest, local code or code in the image that differs from the package's, splits that are not on the DVC remote, and
    parameters that cannot work on the cluster.

    Example: `merflow pipeline submit benchmark.yaml --models mfdr:full --corpus iemocap --root /workspace/IEMOCAP`
    """
    from merflow.submission.arguments import arguments, pipeline_name
    from merflow.submission.submit import default_run_name, start, upload

    cluster.chosen()  # before anything is compiled
    with prepared(package, settings.named(name), no_cache=checks.no_cache) as (chosen, options, account, path):
        values = arguments(chosen, options)
        checked = check_all(chosen, path, checks=checks, quiet=as_json)
        title = name or default_run_name(pipeline_name(chosen))
        if dry_run:
            _tell_dry(chosen, checked, title=title, values=values, account=account, as_json=as_json)
            return
        server = cluster.server()
        version = upload(server, chosen, checked)
        run = start(
            server,
            version,
            name=title,
            arguments=values,
            experiment=experiment or server.profile.experiment,
            service_account=account,
            checked=checked,
        )
    from merflow.submission.runs import url_of

    url = url_of(server, run.id)
    if not (as_json and wait):
        if as_json:
            print_json(
                {**run.as_json(url=url), "pipeline": version.pipeline, "version": version.name, **asdict(checked)}
            )
        else:
            new = "new version" if version.uploaded else "version"
            OUT.print(f"Run {run.id} ({run.name}): {new} {version.name} of pipeline {version.pipeline}", markup=False)
            OUT.print(url, markup=False)
            if not wait:
                OUT.print(f"Follow it: merflow pipeline wait {run.id}")
    if wait:
        raise typer.Exit(follow(server, run, every_s=every, timeout_s=timeout, as_json=as_json))


def _tell_dry(
    package: "Package", checked: "Checked", *, title: str, values: dict[str, Any], account: str | None, as_json: bool
) -> None:
    from merflow.submission.arguments import pipeline_name
    from merflow.submission.submit import version_name

    content = {
        "pipeline": pipeline_name(package),
        "version": version_name(package),
        "name": title,
        "service_account": account,
        "parameters": values,
        **asdict(checked),
    }
    if as_json:
        print_json(content)
        return
    OUT.print(
        f"Nothing is submitted. Version {content['version']} of pipeline {content['pipeline']} would run as {title!r}"
    )
    for key in ("image", "commit", "code", "service_account"):
        if content[key]:
            OUT.print(f"{key.replace('_', ' ')}: {content[key]}", markup=False)
    for key, value in values.items():
        OUT.print(f"{key}: {value}", markup=False)
