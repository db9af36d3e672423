"""``merflow features ls``, ``verify`` and ``gc``: maintenance of the feature store."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from merflow.cli.console import ERR, OUT, print_json, progress_bars
from merflow.cli.options import JsonOption

if TYPE_CHECKING:
    from merflow.features.store.housekeeping import KeySummary

StoreArgument = Annotated[Path, typer.Argument(help="The folder of the store.")]


def ls(store: StoreArgument, as_json: JsonOption = False) -> None:
    """List the encoder keys of a store: the encoder, the number of inputs, the size and the manifests of each.

    Example: `merflow features ls store`
    """
    from merflow.jobs.store import summaries

    keys = summaries(store)
    if as_json:
        print_json([asdict(summary) for summary in keys])
        return
    rows: list[tuple[str, ...]] = [
        ("key", "encoder", "reads", "clip", "layers x width", "inputs", "steps", "size", "manifests")
    ]
    rows += [_row(one) for one in keys]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        OUT.print("  ".join(cells).rstrip(), markup=False)
    OUT.print(f"{len(keys)} key(s), {decimal(sum(one.size_bytes for one in keys))}")


def _row(one: "KeySummary") -> tuple[str, ...]:
    clip = "all" if one.clip_s is None else f"{one.clip_s:g} s"
    return (
        one.key,
        one.encoder,
        f"{one.modality} ({one.transcript})" if one.transcript != "truth" else one.modality or "?",
        f"{clip}, mean" if one.pooled else clip,
        str(one.width) if one.layers is None else f"{one.layers} x {one.width}",
        str(one.entries),
        str(one.steps),
        decimal(one.size_bytes),
        ", ".join(one.manifests),
    )


def verify(store: StoreArgument, as_json: JsonOption = False) -> None:
    """Check every shard of a store against its checksum. The exit code is 2 if one is damaged.

    Example: `merflow features verify store`
    """
    from merflow.jobs.store import verify as verify_job

    with progress_bars() as progress:
        checked = verify_job(store, progress=progress)
    if as_json:
        print_json({"shards": checked.shards, "bad": checked.bad})
    elif not checked.bad:
        OUT.print(f"{checked.shards} shard(s), all intact")
    for fault in checked.bad.values():
        ERR.print(f"error: {fault}", markup=False)
    if checked.bad:
        raise typer.Exit(2)


def gc(
    store: StoreArgument,
    manifest: Annotated[list[Path], typer.Option(help="Keep the features of this manifest. Can be repeated.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete the files. Without this option they are only listed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the files of a store that none of the manifests needs, and delete them with --yes.

    Keys that a running extraction fills are left alone.

    Example: `merflow features gc store --manifest manifest.parquet --yes`
    """
    from merflow.jobs.store import collect

    unused = collect(store, manifests=manifest, delete=yes)
    total = sum(one.size_bytes for one in unused)
    if as_json:
        rows = [{"path": str(one.path), "size_bytes": one.size_bytes, "reason": one.reason} for one in unused]
        print_json({"deleted": yes, "size_bytes": total, "unused": rows})
        return
    for one in unused:
        OUT.print(f"{decimal(one.size_bytes):>10}  {one.path}  ({one.reason})", markup=False)
    done = "deleted" if yes else "would be deleted; add --yes"
    OUT.print(f"{len(unused)} item(s), {decimal(total)} {done}" if unused else "nothing is unused")
