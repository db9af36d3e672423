"""Checkpoint of a fold: one safetensors file, always complete on disk, from which another process can resume."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from merflow.contracts.batch import RawBatch
from merflow.contracts.history import EpochFigures
from merflow.contracts.params import TrainingParams
from merflow.contracts.sources import UtteranceSource
from merflow.errors import TrainingError
from merflow.storage.local import digest, replacing
from merflow.training.history import FoldHistory
from merflow.training.optimization import TrainingState
from merflow.training.shadow import Shadow
from merflow.training.stages import Material, Stage

CHECKPOINT = "checkpoint.safetensors"

# The number of threads changes only the last bits of sums, so a fold may resume with another one. Each device draws its
# own random numbers, so the number of devices changes a fold with dropout completely.
_DECIDING_PARAMS = ("precision", "max_epochs", "compile", "modality_dropout", "devices_per_fold")


@dataclass(frozen=True)
class FoldState:
    """State of a fold between two epochs, apart from the state of the model and the optimizer.

    Attributes:
        history: Figures of all epochs so far.
        best: Weights after the selected epoch, of the model of that epoch's stage; empty before the first epoch.
        shadow: The epoch that the test part would select; nothing else depends on it.
    """

    history: FoldHistory
    best: Mapping[str, Tensor]
    shadow: Shadow


def fingerprint_of(
    stages: Sequence[Stage],
    number: int,
    *,
    material: Material,
    params: TrainingParams,
    seed: int,
    device: torch.device,
) -> dict[str, str]:
    """Return everything that determines a fold's result, as texts or digests.

    A checkpoint is resumed only if all entries agree. Model and data are those of the current stage.

    Args:
        stages: All stages of the fold.
        number: Number of the current stage, counted from 1.
        material: Material of the current stage.
        params: Training parameters.
        seed: Seed of the training.
        device: Device of the training.
    """
    model = material.model
    sizes = {name: [list(value.shape), str(value.dtype)] for name, value in model.state_dict().items()}
    facts = {
        f"recipe{'' if len(stages) == 1 else f' {index}'}.{key}": str(value)
        for index, stage in enumerate(stages, start=1)
        for key, value in stage.recipe.model_dump().items()
    }
    facts |= {f"epochs {index}": str(stage.epochs) for index, stage in enumerate(stages, start=1) if stage.epochs}
    facts |= {f"training.{key}": str(getattr(params, key)) for key in _DECIDING_PARAMS}
    facts |= {"seed": str(seed), "training.device": device.type, "stage": f"{number} of {len(stages)}"}
    facts |= {"model": f"{type(model).__name__} of {digest(sizes)}", "model.config": str(getattr(model, "config", ""))}
    facts |= {"training data": _data(material.train), "development data": _dev(material)}
    return facts | {"shadow selection on": "nothing" if material.test is None else _data(material.test)}


def save_checkpoint(
    folder: Path, *, training_state: TrainingState, state: FoldState, fingerprint: Mapping[str, str]
) -> None:
    """Write the state after the last epoch of the history, atomically replacing the previous checkpoint.

    Raises:
        OutputError: The folder cannot be written.
    """
    tensors = {f"model/{name}": value for name, value in training_state.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    for index, moments in training_state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
    tensors["shadow"] = torch.from_numpy(state.shadow.predictions)
    # Clone all tensors: safetensors rejects tensors that share memory.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {
        "fingerprint": json.dumps(dict(fingerprint)),
        "history": json.dumps(
            {"epochs": state.history.rows(), "best_epoch": state.history.best_epoch, "stage": state.history.stage}
        ),
        "scaler": json.dumps(training_state.scaler.state_dict()),
        "shadow": json.dumps([state.shadow.epoch, state.shadow.figure]),
    }
    with replacing(folder / CHECKPOINT) as part:
        save_file(tensors, part, metadata=metadata)


def stage_reached(folder: Path) -> int:
    """Return the number of the stage that the folder's checkpoint is in, counted from 1; 1 without a checkpoint.

    Raises:
        TrainingError: The checkpoint is corrupt.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        return 1
    with _no_checkpoint(path), safe_open(path, framework="pt") as file:
        return int(json.loads((file.metadata() or {})["history"])["stage"])


def load_checkpoint(
    folder: Path, *, training_state: TrainingState, fresh: FoldState, fingerprint: Mapping[str, str]
) -> FoldState:
    """Restore model, optimizer and scaler; return the rest of the state, or ``fresh`` without a checkpoint.

    Raises:
        TrainingError: The checkpoint is corrupt, or belongs to another recipe, model or data.
    """
    for leftover in folder.glob(f".{CHECKPOINT}.*.part"):
        leftover.unlink(missing_ok=True)
    path = folder / CHECKPOINT
    if not path.is_file():
        return fresh
    with _no_checkpoint(path):
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = file.metadata() or {}
        _refuse_other(path, saved=json.loads(metadata["fingerprint"]), expected=fingerprint)
        training_state.model.load_state_dict(_below(tensors, "model/"))
        _restore(training_state.optimizer, _below(tensors, "optimizer/"))
        training_state.scaler.load_state_dict(json.loads(metadata["scaler"]))
        epoch, figure = json.loads(metadata["shadow"])
        return FoldState(
            _history(json.loads(metadata["history"])),
            _below(tensors, "best/"),
            Shadow(int(epoch), float(figure), tensors["shadow"].numpy()),
        )


@contextmanager
def _no_checkpoint(path: Path) -> Iterator[None]:
    """Raise errors of the block as errors in this file."""
    try:
        yield
    except SafetensorError as error:
        raise TrainingError(f"{path} is corrupt ({error}); delete it to start the fold over") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} is not a checkpoint of a fold ({error!r}); delete it to start over") from error


def _dev(material: Material) -> str:
    return "none" if material.dev is None else _data(material.dev)


def _data(source: UtteranceSource) -> str:
    """Return a digest of all lengths and labels, and of the ids and values of the first few utterances.

    Values enter as sums rounded to three digits, because standardization may differ in the last bits between machines.
    """
    batch = source.batch(range(min(len(source), 8)))
    stored = batch.stored if isinstance(batch, RawBatch) else batch
    values: dict[str, list[Tensor]] = {role: [tensor] for role, tensor in stored.features.items()}
    if isinstance(batch, RawBatch):
        values |= {role: [part.values for part in stream.slices] for role, stream in batch.streams.items()}
    sums = {
        role: f"{sum(float(tensor.double().abs().sum()) for tensor in tensors):.3g}" for role, tensors in values.items()
    }
    labels = None if source.labels is None else np.asarray(source.labels).tolist()
    lengths = np.asarray(source.lengths).tolist()
    return f"{len(source)} utterances, {digest([lengths, sums, labels, list(batch.utterance_ids)])}"


def _refuse_other(path: Path, *, saved: Mapping[str, str], expected: Mapping[str, str]) -> None:
    differing = sorted(key for key in saved.keys() | expected.keys() if saved.get(key) != expected.get(key))
    if differing:
        lines = [f"  {key}: {saved.get(key)} in the checkpoint, {expected.get(key)} now" for key in differing]
        raise TrainingError(
            "\n".join([f"{path} belongs to another fold; use another folder, or delete it to start over", *lines])
        )


def _history(values: Mapping[str, Any]) -> FoldHistory:
    epochs = tuple(EpochFigures.of_row(row) for row in values["epochs"])
    return FoldHistory(epochs, int(values["best_epoch"]), int(values["stage"]))


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
