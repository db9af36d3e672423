"""``merflow registry``: versions of a model, which of them is the champion, and who decided so."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from merflow.cli.console import OUT, print_json, print_tree, progress_bars
from merflow.cli.options import JsonOption, ParamsOption, SetOption, command_line, load_params
from merflow.cli.registry_words import audit_text, outcome_json, story_tree, versions_table

if TYPE_CHECKING:  # commands import their jobs when they run
    from merflow.promotion.registry.registry import Registry

app = typer.Typer(no_args_is_help=True)

UriOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        help="Use the registry of this MLflow server or database. [default: that of --folder, else "
        "MLFLOW_TRACKING_URI]",
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", help="Use the registry that the benchmark in this folder (its --out) tracks to."),
]
NameOption = Annotated[str, typer.Option("--name", help="The registered model.")]
VersionArgument = Annotated[str, typer.Argument(help="The number of a version, or candidate, champion or previous.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="The reason, which the audit trail keeps.")]


@app.callback()
def registry() -> None:
    """Promote models, roll back, and read who did what."""


@app.command()
def register(
    run: Annotated[Path, typer.Argument(help="The folder of a finished benchmark, that is, its --out.")],
    variant: Annotated[
        str, typer.Argument(help="The variant to register, MODEL:PRESET, or best for the best one of its results.")
    ],
    kind: Annotated[
        Literal["refit", "ensemble"],
        typer.Option(help="refit trains the variant on all data; ensemble keeps the models of all folds."),
    ] = "refit",
    out: Annotated[
        Path | None,
        typer.Option(help="Write the package to this folder. [default: packages/MODEL/PRESET-KIND in the run]"),
    ] = None,
    coverage: Annotated[
        float, typer.Option(help="Coverage that conformal sets or intervals should have.", min=0.5, max=0.999)
    ] = 0.9,
    stress_utterances: Annotated[
        int, typer.Option(help="Number of test utterances of the stress suite; 0 leaves it out.", min=0)
    ] = 400,
    intended: Annotated[
        str | None, typer.Option(help="The use that the model is meant for, for its card. [default: research]")
    ] = None,
    exception: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with the exception for a prohibited use: use, ground (medical or safety), reason, by."
        ),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Train and predict on this device.")] = "auto",
    params: ParamsOption = None,
    overrides: SetOption = None,
    uri: UriOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Package a variant of a finished benchmark, and register it as the candidate.

    The package has the model, its calibration, the stress suite's results, the model card and the evidence that the
    gate compares. An interrupted refit or stress suite continues where it stopped.

    Example: `merflow registry register runs/demo best`
    """
    from merflow.contracts.use_exception import parse_exception
    from merflow.jobs.register import PackageSettings
    from merflow.jobs.register import register as register_job
    from merflow.promotion.card.page import INTENDED

    settings = PackageSettings(
        kind=kind,
        coverage=coverage,
        stress_utterances=stress_utterances,
        intended=intended or INTENDED,
        exception=None if exception is None else parse_exception(exception),
        encoders_folder=load_params(params, overrides).features.encoders_folder,
        device=device,
    )
    opened = _opened(uri, run, name)
    with progress_bars() as progress:
        done = register_job(
            run, variant, registry=opened, settings=settings, command=command_line(), out=out, progress=progress
        )
    if as_json:
        print_json({**asdict(done), "package": str(done.package)})
        return
    role = ", the candidate" if done.new else ", registered before"
    OUT.print(
        f"{done.variant} ({done.kind}) is version {done.version} of {done.name!r}{role}\n"
        f"package: {done.package}, with card.html\n"
        f"next: merflow registry promote {done.version} --folder {run}",
        markup=False,
    )


@app.command("list")
def list_(
    uri: UriOption = None, folder: FolderOption = None, name: NameOption = "merflow", as_json: JsonOption = False
) -> None:
    """List the versions of a registered model, the newest first, with their aliases.

    Example: `merflow registry list --folder runs/mine`
    """
    versions = _opened(uri, folder, name).versions()
    if as_json:
        print_json([version.model_dump(mode="json") for version in versions])
        return
    for line in versions_table(name, versions):
        OUT.print(line, markup=False)


@app.command()
def show(
    version: VersionArgument = "champion",
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Show a version: its variant, data, test figures, card, and every decision and move that concerned it.

    Example: `merflow registry show champion --folder runs/mine`
    """
    from merflow.promotion.registry.story import story

    told = story(_opened(uri, folder, name), version)
    print_json(told.plain()) if as_json else print_tree(story_tree(told))


@app.command()
def promote(
    version: VersionArgument = "candidate",
    mode: Annotated[
        Literal["enforce", "warn", "dry-run"],
        typer.Option(
            help="enforce refuses a version that fails a check of the gate; warn promotes it and says what failed; "
            "dry-run writes nothing."
        ),
    ] = "enforce",
    policy: Annotated[
        Path | None, typer.Option(help="Decide by this policy file. [default: merflow's own policy]")
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Promote against the gate; the trail and the version say so forever."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="The reason for --force.")] = "",
    require_approval: Annotated[
        bool,
        typer.Option(
            "--require-approval",
            help="Record the decision and wait; promote once `merflow registry approve` has approved this decision.",
        ),
    ] = False,
    params: ParamsOption = None,
    overrides: SetOption = None,
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Compare a version with the champion, and make it the champion if it passes the gate.

    The champion becomes `previous`. The exit code is 2 if the gate refuses, or the version waits for an approval.

    Example: `merflow registry promote candidate --folder runs/mine`
    """
    from merflow.jobs.promote import promote as promote_job
    from merflow.promotion.costs import PackageLoader

    if force != bool(reason.strip()):
        raise typer.BadParameter("--force and --reason TEXT go together", param_hint="'--force'")
    done = promote_job(
        _opened(uri, folder, name),
        version,
        mode=mode,
        forced=reason.strip(),
        policy=policy,
        require_approval=require_approval,
        load=PackageLoader(encoders_folder=load_params(params, overrides).features.encoders_folder),
    )
    if as_json:
        print_json(outcome_json(done))
    else:
        for sentence in done.sentences:
            OUT.print(sentence, markup=False)
    if done.status in ("refused", "waiting"):
        raise typer.Exit(2)


@app.command()
def approve(
    by: Annotated[str, typer.Option("--by", help="Name of the person who approves.")],
    reason: ReasonOption,
    version: VersionArgument = "candidate",
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Approve the last decision about a version, so that `promote --require-approval` may act on it.

    The approval is for this version and this decision, while the champion stays the same.

    Example: `merflow registry approve 5 --by "Anna Example" --reason "Read the card and the stress report."`
    """
    from merflow.promotion.registry.promote import approve_version

    entry = approve_version(_opened(uri, folder, name, who=by), version, reason=reason)
    if as_json:
        print_json(entry.model_dump(mode="json"))
        return
    assert entry.evidence is not None
    OUT.print(
        f"version {entry.version} of {name!r}: decision {entry.evidence.decision} is approved by {entry.who} "
        f"(entry {entry.number})",
        markup=False,
    )


@app.command()
def rollback(
    reason: ReasonOption,
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Make the previous champion the champion again.

    Example: `merflow registry rollback --reason "It mistakes calm speech for sadness on the phone line."`
    """
    from merflow.promotion.registry.rollback import rollback as rollback_job

    entry = rollback_job(_opened(uri, folder, name), reason=reason)
    if as_json:
        print_json(entry.model_dump(mode="json"))
        return
    after = {move.alias: move.after for move in entry.moves}
    earlier = f"previous is version {after['previous']}" if after.get("previous") else "there is no previous one"
    OUT.print(
        f"version {after['champion']} of {name!r} is the champion again, in place of version {entry.version}; "
        f"{earlier} (entry {entry.number})",
        markup=False,
    )


@app.command()
def audit(
    html: Annotated[Path | None, typer.Option("--html", help="Write the audit to this HTML file as well.")] = None,
    uri: UriOption = None,
    folder: FolderOption = None,
    name: NameOption = "merflow",
    as_json: JsonOption = False,
) -> None:
    """Print who moved which alias, when, why and on which evidence, and check that no entry is missing or changed.

    The exit code is 2 if the trail is damaged.

    Example: `merflow registry audit --folder runs/mine --html audit.html`
    """
    from merflow.promotion.registry.audit import audit as audit_job
    from merflow.promotion.registry.audit_page import write_audit_page

    audited = audit_job(_opened(uri, folder, name))
    if html is not None:
        write_audit_page(audited, html)
    if as_json:
        print_json(audited.plain())
    else:
        for line in audit_text(audited):
            OUT.print(line, markup=False)
    if audited.problems:
        raise typer.Exit(2)


def _opened(uri: str | None, folder: Path | None, name: str, *, who: str | None = None) -> "Registry":
    from merflow.promotion.registry.location import open_registry

    return open_registry(uri=uri, folder=folder, name=name, who=who)
