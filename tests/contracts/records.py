"""Fold records for tests."""

from typing import Any

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.fold_record import ChosenEpoch, FoldRecord
from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.planned_fold import DataMd5, Environment, PlannedFold, RecordedEncoder
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.recipe import Recipe
from merflow.contracts.regime import Regime
from merflow.contracts.selection import Selection
from merflow.contracts.split_params import SplitParams
from merflow.contracts.streams import StreamShape

TRAINING = TrainingParams(
    device="cpu",
    precision="auto",
    max_epochs=None,
    threads=1,
    devices_per_fold=1,
    resident_gib=1.0,
    resident_on="host",
    compile="off",
    shadow_selection="off",
    encoders="as-preset",
    modality_dropout=0.0,
)
SPLITS = SplitParams(
    task="emotion",
    protocol="session-5fold",
    folds=5,
    development="speaker",
    min_dev_per_class=5,
    random_share=0.1,
    seed=0,
    improvised_only=False,
    shared_speakers="refuse",
)
RECIPE = Recipe(
    optimizer="adam",
    lr=1e-4,
    weight_decay=0.0,
    batch_size=32,
    max_epochs=50,
    patience_epochs=10,
    monitor="dev_loss",
    clip_norm=None,
)


def planned_fold(**changes: Any) -> PlannedFold:  # noqa: ANN401 - any field
    values = {name: value for name, value in _VALUES.items() if name in PlannedFold.model_fields}
    return PlannedFold(**{**values, **changes})


def fold_record(**changes: Any) -> FoldRecord:  # noqa: ANN401 - any field
    return FoldRecord(**{**_VALUES, **changes})


def epoch(number: int, **changes: Any) -> EpochFigures:  # noqa: ANN401 - any field
    """Return the figures of one epoch."""
    figures = {"train_loss": 1.0, "dev_loss": 1.1, "dev_ua": 0.5, "dev_wa": 0.5, "lr": 1e-3, "seconds": 1.0}
    return EpochFigures.of_row({"epoch": number, "stage": 1, **figures, **changes})


_VALUES: dict[str, Any] = {
    "fingerprint": "f" * 16,
    "model": "context-mmt",
    "preset": "mmt-frozen",
    "fold": 3,
    "seed": 0,
    "config": {"inputs": ["audio", "text"]},
    "taxonomy": "iemocap4",
    "classes": ("angry", "happy", "neutral", "sad"),
    "selection": Selection(figure="loss", data="speaker"),
    "recipes": (RECIPE,),
    "regime": Regime(asked=("frozen",), ran=("frozen",)),
    "standardized": True,
    "training": TRAINING,
    "transcripts": "truth",
    "transcripts_of_preset": "truth",
    "context": True,
    "profile": "lite",
    "encoders": {
        "speech": RecordedEncoder(
            key="e" * 16, spec=EncoderSpec(name="lite-speech", settings={"dims": 8}), of_paper=False
        )
    },
    "corpus": "emodb",
    "manifest_hash": "a" * 16,
    "split_id": "b" * 16,
    "split_params": SPLITS,
    "data_md5": DataMd5(manifest="0" * 32, splits="1" * 32),
    "origin": None,
    "git_commit": "c" * 40,
    "environment": Environment(
        merflow="0.1.0", python="3.11.9", torch="2.5.0", numpy="2.0.0", os="Linux 6 x86_64", device="x86_64"
    ),
    "shapes": {"speech": StreamShape(None, 8)},
    "chosen": ChosenEpoch(epoch=7, stage=1, dev_ua=0.6, dev_loss=1.1),
    "none_paper": None,
    "epochs": 17,
    "seconds": 12.5,
}


def classic_record(name: str, **changes: object) -> ClassicRecord:
    """Return the record of a classic of words."""
    values: dict[str, object] = {
        "modalities": ("text",),
        "context": False,
        "transcripts": "truth",
        "leak": False,
        "description": "",
        "manifest_hash": "m",
        "split_id": "s",
        "protocol": "session-5fold",
        "fingerprint": "f",
        "folds": (),
    }
    return ClassicRecord.model_validate({"name": name, **values, **changes})
