"""Options that several commands share: their types with their help, and the values made from them."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from merflow.contracts.params import Params
from merflow.contracts.params_files import read_params, shipped_params
from merflow.contracts.passwords import masked
from merflow.contracts.protocols import DEVELOPMENTS, PROTOCOLS, Development, Protocol
from merflow.contracts.task import TASK_NAMES, TaskName
from merflow.corpus.readers.catalogue import READERS
from merflow.corpus.source import CorpusSource

ParamsOption = Annotated[
    Path | None,
    typer.Option(
        "--params", help="Read the parameters from this file. [default: params.yaml in this folder, else merflow's own]"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one parameter, for example --set training.threads=2. Can be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

# Options of a benchmark, with and without KFP.
CorpusOption = Annotated[str, typer.Option(help=f"Kind of the corpus: {', '.join(READERS)}.")]
ROOT_HELP = (
    "Location of the corpus: " + "; ".join(f"for {name}, {reader.root}" for name, reader in READERS.items()) + "."
)
SIZES_HELP = "; ".join(f"of {name}, {', '.join(reader.sizes)}" for name, reader in READERS.items() if reader.sizes)
_CORPUS_FORM = "[NAME:]KIND[=ROOT or SIZE], for example iemocap=ROOT or emodb:table=utterances.csv"
TrainOnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--train-on",
        metavar="<corpus>",
        help=f"In place of --corpus, train on this corpus and test on those of --test-on: {_CORPUS_FORM}. "
        "Can be repeated.",
    ),
]
TestOnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--test-on",
        metavar="<corpus>",
        help="Test on the whole of this corpus what was trained on one of --train-on, or by the protocol on a corpus "
        f"that is also named there: {_CORPUS_FORM}. Can be repeated.",
    ),
]
ModelsOption = Annotated[
    str, typer.Option(help="Train these variants: MODEL:PRESET, separated by commas. `merflow presets` lists them.")
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        help="Extract features with this profile of encoders: lite (no download), paper, tiny, mosei (those that came "
        "with the corpus), or a YAML file of your own: `base: paper` and the encoders that differ; see "
        "docs/encoders.md."
    ),
]
TaskOption = Annotated[
    TaskName | None,
    typer.Option(
        metavar="<task>",
        help=f"Train for this task: {', '.join(TASK_NAMES)}. [default: the corpus's usual task]",
    ),
]
ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(
        metavar="<protocol>",
        help=f"Split the corpus into folds by this protocol: {', '.join(PROTOCOLS)}. "
        "[default: the corpus's usual protocol]",
    ),
]
DevelopmentOption = Annotated[
    Development | None,
    typer.Option(
        metavar="<part>",
        help="Hold out this part of the training data as development data, to select the epoch: "
        f"{', '.join(DEVELOPMENTS)}.",
    ),
]


@dataclass(frozen=True)
class CorpusOptions:
    """The options that name a corpus."""

    corpus: CorpusOption = "synthetic"
    root: Annotated[Path | None, typer.Option(help=ROOT_HELP)] = None
    size: Annotated[
        str,
        typer.Option(help=f"Size of a synthetic corpus: {SIZES_HELP}. It has video if one of the models reads video."),
    ] = "small"

    def source(self) -> CorpusSource:
        """Return the corpus."""
        return CorpusSource(self.corpus, self.root, self.size)


@dataclass(frozen=True)
class ParamsChanges:
    """The options of a benchmark that each change one parameter."""

    profile: ProfileOption = None
    store: Annotated[
        Path | None,
        typer.Option(help="Store the features in this folder, which other runs may share. [default: one in --out]"),
    ] = None
    task: TaskOption = None
    protocol: ProtocolOption = None
    development: DevelopmentOption = None

    def applied(self, params: Params, *, seed: int | None = None) -> Params:
        """Return the parameters with these changes, and with this seed if there is one."""
        features = {"profile": self.profile, "store": str(self.store.absolute()) if self.store else None}
        splits = {"task": self.task, "protocol": self.protocol, "development": self.development}
        return params.model_copy(
            update={
                "features": params.features.model_copy(update={key: value for key, value in features.items() if value}),
                "splits": params.splits.model_copy(update={key: value for key, value in splits.items() if value}),
                "plan": params.plan.model_copy(update={} if seed is None else {"seeds": [seed]}),
            }
        )


SeedOption = Annotated[int | None, typer.Option(help="Train with this seed.", min=0)]
PresetsOption = Annotated[
    Path | None,
    typer.Option(
        "--presets",
        help="Read your own presets from this YAML file, in the format that `merflow tune` writes: "
        "`presets: {mfdr:slow: {base: mfdr:full, config: {dims: 128}, stages: [{lr: 0.0001}]}}`.",
    ),
]
QuarantineOption = Annotated[
    bool, typer.Option("--quarantine", help="Leave invalid utterances out instead of stopping.")
]
TranscribeOption = Annotated[
    bool,
    typer.Option(
        "--transcribe",
        help="Transcribe the recordings with Whisper (parameter transcription.model) for presets that read ASR text.",
    ),
]

# Options of the commands that use a trained model.
MODEL_HELP = (
    "The model: the folder of a benchmark, fold or package, runs:/RUN_ID, models:/NAME@champion or "
    "models:/NAME/VERSION."
)
ModelOption = Annotated[str, typer.Option(help=MODEL_HELP, show_default=False)]
TRACKING_URI_HELP = "Find runs:/ and models:/ on this MLflow server or database. [default: MLFLOW_TRACKING_URI]"
TrackingUriOption = Annotated[str | None, typer.Option(help=TRACKING_URI_HELP)]
Device = Literal["auto", "cpu", "cuda"]
DEVICE_HELP = "Run the model on this device."
DeviceOption = Annotated[Device, typer.Option(help=DEVICE_HELP)]
RecognizeOption = Annotated[
    bool,
    typer.Option(
        "--transcribe",
        help="Recognize the words with Whisper (parameter transcription.model) where none are given.",
    ),
]

PromotionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--arg",
        metavar="NAME=VALUE",
        help="A parameter of promote: variant, kind, registered_name, mode, policy (a file), coverage, "
        "stress_utterances or approval_h; or of monitor: traffic, model, since, on_drift and others, see "
        "docs/monitoring.md; repeatable.",
    ),
]


def load_params(path: Path | None, overrides: list[str] | None = None) -> Params:
    """Read the parameters from a file, this folder or the package, and apply the overrides."""
    here, changes = Path("params.yaml"), tuple(overrides or ())
    if path is None and not here.is_file():
        return shipped_params(overrides=changes)
    return read_params(path or here, overrides=changes)


def variants_of(models: str) -> list[str]:
    """Return the names in a comma-separated list."""
    return [name.strip() for name in models.split(",") if name.strip()]


def command_line() -> str:
    """Return the running command as you would type it again, without passwords, for reports and runs."""
    return masked(shlex.join(["merflow", *sys.argv[1:]]))
