"""``merflow registry deploy`` and ``merflow registry fetch``: a version becomes manifests, and a pod gets its files."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from merflow.cli.console import ERR, OUT, print_json
from merflow.cli.options import JsonOption
from merflow.cli.registry import FolderOption, NameOption, UriOption, VersionArgument
from merflow.cli.submission import AllowTagOption

_CANARY, _CLUSTER = "Canary", "The cluster"


def deploy(
    version: VersionArgument = "champion",
    out: Annotated[
        Path | None, typer.Option(help="Write the manifests to this folder. [default: standard output]")
    ] = None,
    mode: Annotated[
        Literal["knative", "standard"],
        typer.Option(
            help="KServe's deployment mode: knative scales on concurrency by itself, down to no pod; standard needs "
            "KEDA, Prometheus and a Gateway.",
            rich_help_panel=_CLUSTER,
        ),
    ] = "standard",
    gpu: Annotated[bool, typer.Option("--gpu", help="Ask for a GPU per pod.", rich_help_panel=_CLUSTER)] = False,
    image: Annotated[
        str | None,
        typer.Option(
            help="Image of the target serve: REGISTRY/merflow/python@sha256:DIGEST. [default: the settings']",
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    allow_tag: AllowTagOption = False,
    namespace: Annotated[
        str | None,
        typer.Option(help="Deploy to this namespace. [default: the settings']", rich_help_panel=_CLUSTER),
    ] = None,
    service: Annotated[
        str,
        typer.Option(
            help="Name of the InferenceService, and of the model in URLs. [default: the registered model's]",
            rich_help_panel=_CLUSTER,
        ),
    ] = "",
    settings: Annotated[
        Path | None,
        typer.Option(
            help="Read what differs from merflow's own settings from this YAML file: MLflow, Secrets, resources, "
            "scaling, nodes, Gateway (docs/deploying.md).",
            rich_help_panel=_CLUSTER,
        ),
    ] = None,
    canary: Annotated[
        str | None,
        typer.Option(
            help="Let this version answer a share of the requests: a number, or candidate.", rich_help_panel=_CANARY
        ),
    ] = None,
    traffic: Annotated[
        int | None, typer.Option(help="That share in percent, 1 to 99.", rich_help_panel=_CANARY)
    ] = None,
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Write KServe's manifests for an exact version. Nothing is applied to a cluster.

    Pods fetch the package of this version once, and start only if it has the digest that is written here. An alias is
    resolved now, so a promotion changes nothing on the cluster until you deploy again.

    Example: `merflow registry deploy champion --canary candidate --traffic 10 --out manifests`
    """
    from merflow.jobs.deploy import deploy as deploy_job
    from merflow.jobs.deploy import settings_of, write_deployment
    from merflow.promotion.registry.location import open_registry

    if (canary is None) != (traffic is None):
        raise typer.BadParameter("--canary VERSION and --traffic PERCENT go together", param_hint="'--canary'")
    if out is None and canary is not None and mode == "knative" and not as_json:
        raise typer.BadParameter(
            "a canary in knative mode is applied after the first version; give --out FOLDER", param_hint="'--out'"
        )
    changes = {key: value for key, value in (("image", image), ("namespace", namespace)) if value is not None}
    made = deploy_job(
        open_registry(uri=uri, folder=folder, name=name),
        version,
        settings=settings_of(settings, changes=changes),
        mode=mode,
        gpu=gpu,
        service=service,
        canary=canary,
        traffic=traffic or 0,
        allow_tag=allow_tag,
    )
    written = [] if out is None else write_deployment(made, out)
    for note in made.notes:
        ERR.print(f"note: {note}", markup=False)
    served = [made.plan.stable, *([made.plan.canary.version] if made.plan.canary else [])]
    if as_json:
        print_json(
            {
                "service": made.plan.service,
                "versions": [{"name": each.name, "version": each.number, "digest": each.digest} for each in served],
                "files": [str(path) for path in written],
                "manifests": {} if written else made.files,
            }
        )
    elif out is None:
        OUT.print("---\n".join(made.files.values()), markup=False, end="")
    else:
        for each in served:
            OUT.print(f"version {each.number} of {each.name!r}, {each.digest}", markup=False)
        for path in written:
            OUT.print(str(path), markup=False)


def fetch(
    location: Annotated[str, typer.Argument(help="The version: models:/NAME/VERSION or models:/NAME@ALIAS.")],
    into: Annotated[Path, typer.Option(help="Download the package to package in this folder.")],
    digest: Annotated[
        str | None,
        typer.Option(help="Refuse a package with another digest than this one of `merflow registry deploy`."),
    ] = None,
    uri: UriOption = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download the package of a version, and check every file. A package that is there already stays.

    The digest is the SHA-256 of package.json, which names the SHA-256 of the model's files.

    Example: `merflow registry fetch models:/merflow@champion --into models`
    """
    from merflow.jobs.fetch_package import fetch_package
    from merflow.promotion.registry.location import open_registry, version_named

    name, text = version_named(location)
    done = fetch_package(open_registry(uri=uri, folder=folder, name=name), text, into=into, expected=digest)
    if as_json:
        print_json({"folder": str(done.folder), "new": done.new, **done.version.model_dump(mode="json")})
        return
    how = "fetched" if done.new else "there already"
    OUT.print(
        f"version {done.version.version} of {done.version.name!r} is {how}: {done.folder}\n{done.version.digest}",
        markup=False,
    )
