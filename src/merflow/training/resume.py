"""A fold's checkpoint: one safetensors file that a killed process leaves whole, and another picks up."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
from merflow.errors import TrainingError
from merflow.storage.local import digest, replacing
from merflow.training.history import FoldHistory
from merflow.training.optimization import TrainingState
from merflow.training.shadow import Shadow
from merflow.training.stages import Material, Source, Stage

CHECKPOINT = "checkpoint.safetensors"

# The number of threads only changes the last bits of sums: a fold may go on with another. Devices draw numbers of
# their own, so that their number changes a fold with dropout altogether.
_DECIDING_PARAMS = ("precision", "max_epochs", "compile", "modality_dropout", "devices_per_fold")


@dataclass(frozen=True)
class FoldState:
    """A fold between two epochs, beside what model and optimiser hold.

    Attributes:
        best: Weights after the current stage's chosen epoch; empty before its first.
        shadow: What the test part would choose; nothing else depends on it.
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
    """What a fold's result follows from, in words or digests; a checkpoint is picked up only where all agree.

    Of model and data it knows those of the stage that it is in.

    Args:
        stages: All of them.
        number: The current one, counted from 1.
        material: Of the current one.
        params: Of the training.
        seed: Of the training.
        device: Where it is computed.
    """
    model = material.model
    sizes = {name: [list(value.shape), str(value.dtype)] for name, value in model.state_dict().items()}
    facts = {
        f"recipe{'' if len(stages) == 1 else f' {place}'}.{key}": str(value)
        for place, stage in enumerate(stages, start=1)
        for key, value in stage.recipe.model_dump().items()
    }
    facts |= {f"training.{key}": str(getattr(params, key)) for key in _DECIDING_PARAMS}
    facts |= {"seed": str(seed), "training.device": device.type, "stage": f"{number} of {len(stages)}"}
    facts |= {"model": f"{type(model).__name__} of {digest(sizes)}", "model.config": str(getattr(model, "config", ""))}
    facts |= {"training data": _data(material.train), "development data": _data(material.dev)}
    return facts | {"shadow selection on": "nothing" if material.test is None else _data(material.test)}


def save_checkpoint(
    folder: Path, *, training_state: TrainingState, state: FoldState, fingerprint: Mapping[str, str]
) -> None:
    """Writes the state after the history's last epoch, replacing the state before in one step.

    Raises:
        OutputError: The folder cannot be written.
    """
    tensors = {f"model/{name}": value for name, value in training_state.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    for place, moments in training_state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{place}/{name}": value for name, value in moments.items()}
    tensors["shadow"] = torch.from_numpy(state.shadow.probabilities)
    # Copies: safetensors refuses tensors that share memory.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {
        "fingerprint": json.dumps(dict(fingerprint)),
        "history": json.dumps(asdict(state.history)),
        "scaler": json.dumps(training_state.scaler.state_dict()),
        "shadow": json.dumps([state.shadow.epoch, state.shadow.test_ua]),
    }
    with replacing(folder / CHECKPOINT) as part:
        save_file(tensors, part, metadata=metadata)


def stage_reached(folder: Path) -> int:
    """The stage that the folder's checkpoint is in, counted from 1; 1 without a checkpoint.

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
    """Restores model, optimiser and scaler; returns the rest of the state, or ``fresh`` without a checkpoint.

    Raises:
        TrainingError: The checkpoint is corrupt, or belongs to another recipe, model or data.
    """
    for litter in folder.glob(f".{CHECKPOINT}.*.part"):
        litter.unlink(missing_ok=True)
    path = folder / CHECKPOINT
    if not path.is_file():
        return fresh
    with _no_checkpoint(path):
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            metadata = file.metadata() or {}
        found = json.loads(metadata["fingerprint"])
        _refuse_other(path, found=found, expected=fingerprint)
        training_state.model.load_state_dict(_below(tensors, "model/"))
        _restore(training_state.optimizer, _below(tensors, "optimizer/"))
        training_state.scaler.load_state_dict(json.loads(metadata["scaler"]))
        epoch, test_ua = json.loads(metadata["shadow"])
        return FoldState(
            _history(json.loads(metadata["history"])),
            _below(tensors, "best/"),
            Shadow(int(epoch), float(test_ua), tensors["shadow"].numpy()),
        )


def remove_checkpoint(folder: Path) -> None:
    """Forgets the state of a fold."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


@contextmanager
def _no_checkpoint(path: Path) -> Iterator[None]:
    """What goes wrong in here is told as an error of this file."""
    try:
        yield
    except SafetensorError as error:
        raise TrainingError(f"{path} is corrupt ({error}); delete it to start the fold anew") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} is no checkpoint of a fold ({error!r}); delete it to start anew") from error


def _data(source: Source) -> str:
    """Digest of all lengths and labels, and of the first utterances' ids and values.

    The values enter as sums of three digits: standardisation may differ in the last bits from machine to machine.
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


def _refuse_other(path: Path, *, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    if differing:
        lines = [f"  {key}: {found.get(key)} there, {expected.get(key)} now" for key in differing]
        raise TrainingError(
            "\n".join([f"{path} is of another fold; use another folder, or delete it to start anew", *lines])
        )


def _history(values: Mapping[str, Any]) -> FoldHistory:
    epochs = tuple(EpochFigures(**row) for row in values["epochs"])
    return FoldHistory(epochs, int(values["best_epoch"]), int(values["stage"]))


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        place, _, key = name.partition("/")
        state.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
