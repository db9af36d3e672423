"""``merflow data push``, ``pull`` and ``lineage``: versions of the data, and the data behind a model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from merflow.cli.console import print_json, print_tree
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params

if TYPE_CHECKING:  # commands import their jobs when they run
    from merflow.contracts.fold_record import FoldRecord
    from merflow.contracts.planned_fold import Origin
    from merflow.jobs.data_versions import FileRevisions
    from merflow.jobs.lineage import CodeVersion, DataVersion, Lineage

RemoteOption = Annotated[str | None, typer.Option(help="Use this DVC remote. [default: the project's default remote]")]


def push(remote: RemoteOption = None) -> None:
    """Upload manifests, splits and their summaries to a DVC remote.

    Recordings, features and models are never uploaded.

    Example: `merflow data push`
    """
    from merflow.jobs.data_versions import push as push_job

    push_job(Path(), remote=remote)


def pull(remote: RemoteOption = None) -> None:
    """Download the manifests and splits of this revision from a DVC remote.

    Example: `merflow data pull`
    """
    from merflow.jobs.data_versions import pull as pull_job

    pull_job(Path(), remote=remote)


def lineage(
    reference: Annotated[
        str,
        typer.Argument(
            help="A folder of a model, a fold or a benchmark; or, in MLflow, the id of a run or a model version "
            "(models:/NAME/3 or NAME@ALIAS)."
        ),
    ],
    tracking: Annotated[
        str | None,
        typer.Option(
            help="Look runs up on this MLflow server or database. [default: tracking.uri, else MLFLOW_TRACKING_URI]"
        ),
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a model or run was made from: manifest, splits, their DVC revision, code, encoders and settings.

    Mismatches between these facts, or with this folder, are listed at the end.

    Example: `merflow data lineage runs/dvc/auto/mfdr:full/fold-1-seed-0`
    """
    from merflow.jobs.lineage import lineage as lineage_job

    traced = lineage_job(reference, uri=tracking or _uri(load_params(params, overrides).tracking.uri), around=Path())
    print_json(traced.plain()) if as_json else print_tree(_tree(traced))


def _uri(setting: str) -> str | None:
    """Return the server or database that the parameters name; ``auto`` differs between benchmarks."""
    return os.environ.get("MLFLOW_TRACKING_URI") if setting in ("auto", "none") else setting


def _tree(traced: "Lineage") -> Tree:
    registered = traced.registered
    version = f"{registered.name} version {registered.version}, " if registered else ""
    tree = Tree(f"[bold]{escape(traced.reference)}[/bold]: {version}{traced.kind}")
    for data in traced.data:
        _add_data(tree.add("[bold]data[/bold]"), data, in_project=traced.project is not None)
    code = tree.add("[bold]code[/bold]")
    for each in traced.code:
        code.add(_code(each))
    records = [training.record for training in traced.trainings]
    trained = tree.add(f"[bold]trained[/bold]: {len(records)} fold(s)")
    for variant in dict.fromkeys(record.variant for record in records):
        _add_variant(trained, [record for record in records if record.variant == variant])
    mismatches = tree.add("[bold]mismatches[/bold]" + ("" if traced.mismatches else ": none"))
    for sentence in traced.mismatches:
        mismatches.add(f"[yellow]{escape(sentence)}[/yellow]")
    return tree


def _add_data(branch: Tree, data: "DataVersion", *, in_project: bool) -> None:
    settings = ", ".join(f"{name} {value}" for name, value in data.split_params.items() if name != "protocol")
    for line, revisions in (
        (f"manifest {data.manifest_hash}, corpus {data.corpus}", data.manifest),
        (f"splits {data.split_id}, {data.split_params.get('protocol')} ({settings})", data.splits),
    ):
        leaf = branch.add(escape(line))
        leaf.add(
            escape(f"DVC {_revision(revisions) if in_project else 'unknown: this folder is not in a DVC project'}")
        )


def _revision(file: "FileRevisions") -> str:
    """Return the revisions that contain a file, as text."""
    if file.commits:
        first = file.commits[0]
        tags = f"tag {', '.join(file.tags)}; " if file.tags else ""
        more = f" and {len(file.commits) - 1} later commit(s)" if len(file.commits) > 1 else ""
        return f"md5 {file.md5}: {tags}commit {first.id[:12]} ({first.date[:10]}, {first.subject}){more}"
    return f"md5 {file.md5}: dvc.lock here, not committed" if file.here else f"md5 {file.md5}: in no revision"


def _code(code: "CodeVersion") -> str:
    if not code.commit:
        return "no commit recorded"
    name = f"commit {code.commit[:12]}" + (" with uncommitted changes" if code.changed else "")
    tags = f", tag {', '.join(code.tags)}" if code.tags else ""
    about = f" ({code.date[:10]}, {code.subject}){tags}" if code.date else ""
    return escape(f"{name}{about}{', checked out here' if code.here else ''}")


def _add_variant(branch: Tree, records: "list[FoldRecord]") -> None:
    """Add the facts that the folds of a variant share, once, as its first fold has them."""
    first = records[0]
    leaf = branch.add(f"[bold]{escape(first.variant)}[/bold]")
    named = [f"{record.fold}" + (f" (seed {record.seed})" if record.seed else "") for record in records]
    leaf.add(f"fold {', '.join(named)}" + ("" if any(record.seed for record in records) else "; seed 0"))
    if first.origin is not None:
        leaf.add(escape(_origin(first.origin)))
    note = f" ({first.regime.note})" if first.regime.note else ""
    leaf.add(escape(f"epoch chosen by {first.selection}; stages {', '.join(first.stages)}{note}"))
    words = {"truth": "true transcripts", "asr": "recognized words", None: "none"}
    leaf.add(escape(f"transcripts: {words.get(first.transcripts, first.transcripts)}"))
    encoders = leaf.add("encoders")
    for role, encoder in first.encoders.items():
        revision = f" at {encoder.spec.revision}" if encoder.spec.revision else ""
        encoders.add(escape(f"{role}: {encoder.spec.name}{revision}, key {encoder.key}"))
    settings = leaf.add("settings")
    for name, values in (
        ("config", first.config),
        ("recipe", first.recipe_settings),
        ("training", first.training.model_dump()),
    ):
        settings.add(escape(f"{name}: " + ", ".join(f"{key} {value}" for key, value in values.items())))
    leaf.add(f"merflow {first.environment.merflow}")


def _origin(origin: "Origin") -> str:
    """Return the base of a user's preset, and the search that found its settings."""
    made = f"made from {origin.base}"
    if origin.study is None:
        return made
    figure = "" if origin.development is None else f", development {origin.development}"
    commit = f", at commit {origin.git_commit[:12]}" if origin.git_commit else ""
    return f"{made} by trial {origin.trial or 'unknown'} of study {origin.study!r}{figure}{commit}"
