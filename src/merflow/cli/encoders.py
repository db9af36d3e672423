"""``merflow features tiny``: miniatures of the pretrained encoders."""

from pathlib import Path
from typing import Annotated

import typer

from merflow.cli.console import OUT, print_json
from merflow.cli.options import JsonOption


def tiny(
    out: Annotated[Path, typer.Option(help="Write one folder per encoder into this folder.")],
    as_json: JsonOption = False,
) -> None:
    """Write miniature encoders with random weights, to try the code of pretrained encoders without a download.

    Example: `merflow features tiny --out encoders`
    """
    from merflow.jobs.miniatures import miniatures

    made = miniatures(out)
    if as_json:
        print_json([str(folder) for folder in made])
    else:
        OUT.print(f"{len(made)} encoders in {out}: {', '.join(folder.name for folder in made)}")
        OUT.print(f"Use them with --profile tiny --set features.encoders_folder={out}")
