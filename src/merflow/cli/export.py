"""``merflow export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merflow.cli.console import OUT, print_json, print_table, progress_bars
from merflow.cli.options import MODEL_HELP, JsonOption, ParamsOption, SetOption, TrackingUriOption, load_params
from merflow.contracts.numerals import plural

if TYPE_CHECKING:
    from rich.table import Table

    from merflow.contracts.exported_model import ExportResult


def export(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    onnx: Annotated[bool, typer.Option("--onnx", help="Export to ONNX, the only format so far.")] = False,
    out: Annotated[Path, typer.Option(help="Write model.onnx and predict.py, an example, here.")] = Path("exported"),
    clips: Annotated[
        list[Path] | None,
        typer.Option(
            help="Check the exported model on this recording, or on all of this folder. [default: recordings of the "
            "corpus that a benchmark's folder was made of]",
        ),
    ] = None,
    tracking_uri: TrackingUriOption = None,
    params: ParamsOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a trained model to one ONNX file, from samples to calibrated probabilities, or a score.

    It is compared with PyTorch on every clip before it is kept. The script next to it, predict.py, only needs
    onnxruntime and numpy. Models that read video, and others that cannot be exported, are refused with the reason.

    Example: `merflow export runs/demo --onnx --out exported`
    """
    if not onnx:
        raise typer.BadParameter("name the format: --onnx")
    from merflow.jobs.export import ExportRequest
    from merflow.jobs.export import export as export_job

    request = ExportRequest(
        model=model,
        out=out,
        clips=tuple(clips or ()),
        tracking_uri=tracking_uri,
        encoders_folder=load_params(params, overrides).features.encoders_folder,
    )
    with progress_bars() as progress:
        result = export_job(request, progress=progress)
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    print_table(_table(result))
    kind = "made-up clips" if result.made_up else "clips"
    OUT.print(
        f"\nLargest difference to PyTorch over {len(result.checked)} {kind}: {result.largest:.1e} "
        f"(allowed: {result.tolerance:g})"
    )
    for remark in result.model.remarks:
        OUT.print(f"Note: {remark}")
    OUT.print(
        f"{', '.join(map(str, result.files))}: {result.size_mib:.1f} MiB, {plural(result.model.members, 'model')}"
    )


def _table(result: "ExportResult") -> "Table":
    """Return one line per clip."""
    from rich.table import Table

    answer = "emotion" if result.model.scale is None else result.model.scale.task
    table = Table("clip", "seconds", "words", answer, "largest difference")
    for each in result.checked:
        table.add_row(each.clip_id, f"{each.seconds:.1f}", str(each.words), each.answer, f"{each.difference:.1e}")
    return table
