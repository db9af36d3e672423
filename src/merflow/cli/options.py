"""Options that several commands have: their types with their help, and what is made of them."""

import shlex
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from merflow.contracts.params import Params, read_params
from merflow.contracts.passwords import masked
from merflow.contracts.protocols import Development, Protocol
from merflow.corpus.readers.catalogue import READERS

ParamsOption = Annotated[
    Path | None, typer.Option("--params", help="Parameters; default: params.yaml here, else the ones merflow ships.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override one parameter, for example --set training.threads=2.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]

# Of a benchmark, whether its jobs run plainly or as a pipeline.
CorpusOption = Annotated[str, typer.Option(help=f"Kind of corpus: {', '.join(READERS)}.")]
ROOT_HELP = "The corpus: " + "; ".join(f"for {name}, {reader.root}" for name, reader in READERS.items()) + "."
RootOption = Annotated[Path | None, typer.Option(help=ROOT_HELP)]
SizeOption = Annotated[
    str, typer.Option(help="Of a synthetic corpus: tiny, small, full; drawn with video where a variant reads it.")
]
ModelsOption = Annotated[str, typer.Option(help="Variants, model:preset, comma-separated.")]
ProfileOption = Annotated[str | None, typer.Option(help="Encoder profile: lite, paper, tiny.")]
ProtocolOption = Annotated[Protocol | None, typer.Option(help="Which utterances test.")]
DevelopmentOption = Annotated[Development | None, typer.Option(help="Which training data choose the epoch.")]
SeedOption = Annotated[int | None, typer.Option(help="Seed of the training.", min=0)]
PresetsOption = Annotated[
    Path | None,
    typer.Option(
        "--presets",
        help="File of presets of your own, as `merflow tune` writes it: "
        "`presets: {mfdr:slow: {base: mfdr:full, config: {dims: 128}, stages: [{lr: 0.0001}]}}`.",
    ),
]
QuarantineOption = Annotated[bool, typer.Option("--quarantine", help="Set bad utterances aside instead of failing.")]
TranscribeOption = Annotated[
    bool,
    typer.Option(
        "--transcribe",
        help="Have Whisper (transcription.model) transcribe the recordings; presets that ask for its words get them.",
    ),
]


def load_params(path: Path | None, overrides: list[str] | None = None) -> Params:
    """Parameters from a file, this folder, or the package, with overrides on top."""
    here = Path("params.yaml")
    shipped = Path(str(files("merflow") / "params.yaml"))
    return read_params(path or (here if here.is_file() else shipped), overrides=tuple(overrides or ()))


def adjusted(
    params: Params, *, profile: str | None, protocol: Protocol | None, development: Development | None, seed: int | None
) -> Params:
    """The parameters with the common options of a benchmark on top."""
    splits = {"protocol": protocol, "development": development}
    return params.model_copy(
        update={
            "features": params.features.model_copy(update={"profile": profile} if profile else {}),
            "splits": params.splits.model_copy(update={key: value for key, value in splits.items() if value}),
            "plan": params.plan.model_copy(update={} if seed is None else {"seeds": [seed]}),
        }
    )


def variants_of(models: str) -> list[str]:
    """The names of a comma-separated list."""
    return [name.strip() for name in models.split(",") if name.strip()]


def command_line() -> str:
    """The command that runs now, as a person would type it again, without passwords: reports and runs keep it."""
    return masked(shlex.join(["merflow", *sys.argv[1:]]))
