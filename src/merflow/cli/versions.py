"""``merflow data push``, ``pull`` and ``lineage``: versions of the data, and what was made from them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from merflow.cli.console import print_json, print_tree
from merflow.cli.options import JsonOption, ParamsOption, SetOption, load_params

RemoteOption = Annotated[str | None, typer.Option(help="A remote of the project; default: the project's default.")]


def push(remote: RemoteOption = None) -> None:
    """Upload manifests, splits and their summaries to the project's DVC remote; never recordings, features or models.

    Example: `merflow data push`
    """
    from merflow.jobs.data_versions import push as push_job

    push_job(Path(), remote=remote)


def pull(remote: RemoteOption = None) -> None:
    """Bring the manifests and splits of this revision here from the project's DVC remote.

    Example: `merflow data pull`
    """
    from merflow.jobs.data_versions import pull as pull_job

    pull_job(Path(), remote=remote)


def lineage(
    reference: Annotated[
        str,
        typer.Argument(
            help="Folder of a model, a fold or a benchmark; or in MLflow a run's id or a model version, "
            "models:/NAME/3 or NAME@ALIAS."
        ),
    ],
    tracking: Annotated[
        str | None,
        typer.Option(help="MLflow's server or database; default: tracking.uri, else MLFLOW_TRACKING_URI."),
    ] = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk from a model or a run back to manifest, splits, their DVC revision, code, encoders and settings.

    What contradicts itself, or is another here, is listed at the end.

    Example: `merflow data lineage runs/dvc/session-5fold/mfdr:full/fold-1-seed-0`
    """
    from merflow.jobs.lineage import lineage as lineage_job

    found = lineage_job(reference, uri=tracking or _uri(load_params(params, overrides).tracking.uri), around=Path())
    print_json(found) if as_json else print_tree(_tree(found))


def _uri(setting: str) -> str | None:
    """MLflow's place where no option names one; ``auto`` is another for every benchmark."""
    return os.environ.get("MLFLOW_TRACKING_URI") if setting in ("auto", "none") else setting


def _tree(found: Mapping[str, Any]) -> Tree:
    registered = found["registered"]
    version = f"{registered['name']} version {registered['version']}, " if registered else ""
    tree = Tree(f"[bold]{escape(found['reference'])}[/bold]: {version}{found['kind']}")
    for data in found["data"]:
        _add_data(tree.add("[bold]data[/bold]"), data, project=found["project"])
    code = tree.add("[bold]code[/bold]")
    for each in found["code"]:
        code.add(_code(each))
    trained = tree.add(f"[bold]trained[/bold]: {len(found['trainings'])} fold(s)")
    for variant in dict.fromkeys(each["variant"] for each in found["trainings"]):
        _add_variant(trained, [each for each in found["trainings"] if each["variant"] == variant])
    mismatches = tree.add("[bold]mismatches[/bold]" + ("" if found["mismatches"] else ": none"))
    for said in found["mismatches"]:
        mismatches.add(f"[yellow]{escape(said)}[/yellow]")
    return tree


def _add_data(branch: Tree, data: Mapping[str, Any], *, project: str | None) -> None:
    settings = ", ".join(f"{name} {value}" for name, value in data["split_params"].items() if name != "protocol")
    lines = {
        "manifest": f"manifest {data['manifest_hash']}, corpus {data['corpus']}",
        "splits": f"splits {data['split_id']}, {data['split_params'].get('protocol')} ({settings})",
    }
    for what, line in lines.items():
        leaf = branch.add(escape(line))
        leaf.add(escape(f"DVC {_revision(data[what]) if project else 'unknown: this folder is in no project'}"))


def _revision(record: Mapping[str, Any]) -> str:
    """Where a file is on record, for people."""
    commits, md5 = record["commits"], record["md5"]
    if commits:
        first = commits[0]
        tags = f"tag {', '.join(record['tags'])}; " if record["tags"] else ""
        more = f" and {len(commits) - 1} later commit(s)" if len(commits) > 1 else ""
        return f"md5 {md5}: {tags}commit {first['id'][:12]} ({first['date'][:10]}, {first['subject']}){more}"
    return f"md5 {md5}: dvc.lock here, not committed" if record["here"] else f"md5 {md5}: in no revision"


def _code(each: Mapping[str, Any]) -> str:
    if not each["commit"]:
        return "no commit on record"
    name = f"commit {each['commit'][:12]}" + (" with changes" if each["changed"] else "")
    tags = f", tag {', '.join(each['tags'])}" if each["tags"] else ""
    about = f" ({each['date'][:10]}, {each['subject']}){tags}" if each["known"] else ""
    return escape(f"{name}{about}{', checked out here' if each['here'] else ''}")


def _add_variant(branch: Tree, trainings: list[Mapping[str, Any]]) -> None:
    """What the folds of a variant have in common, told once, as its first fold has it."""
    first = trainings[0]
    leaf = branch.add(f"[bold]{escape(first['variant'])}[/bold]")
    named = [f"{each['fold']}" + (f" (seed {each['seed']})" if each["seed"] else "") for each in trainings]
    leaf.add(f"fold {', '.join(named)}" + ("" if any(each["seed"] for each in trainings) else "; seed 0"))
    if first["origin"]:
        leaf.add(escape(_origin(first["origin"])))
    leaf.add(escape(f"epoch chosen by {first['selection']}; stages {', '.join(first['stages'])}"))
    words = {"truth": "true transcripts", "asr": "recognised words", None: "none"}
    leaf.add(escape(f"words read: {words.get(first['transcripts'], first['transcripts'])}"))
    encoders = leaf.add("encoders")
    for role, encoder in first["encoders"].items():
        revision = f" at {encoder['revision']}" if encoder["revision"] else ""
        encoders.add(escape(f"{role}: {encoder['name']}{revision}, key {encoder['key']}"))
    settings = leaf.add("settings")
    for name in ("config", "recipe", "params"):
        settings.add(escape(f"{name}: " + ", ".join(f"{key} {value}" for key, value in first[name].items())))
    leaf.add(f"merflow {first['merflow_version']}")


def _origin(origin: Mapping[str, Any]) -> str:
    """Which preset one of one's own is made from, and the search that found its settings."""
    made = f"made from {origin['base']}"
    if "study" not in origin:
        return made
    figure = f", development UA {100 * origin['dev_UA']:.1f}" if "dev_UA" in origin else ""
    commit = f", at commit {origin['git_commit'][:12]}" if origin.get("git_commit") else ""
    return f"{made} by trial {origin.get('trial', 'unknown')} of study {origin['study']!r}{figure}{commit}"
