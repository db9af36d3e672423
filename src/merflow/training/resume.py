"""A fold's checkpoint: one safetensors file that a killed process leaves whole, and another picks up."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow.contracts.batch import BatchSource
from merflow.contracts.errors import TrainingError
from merflow.contracts.files import digest, replacing
from merflow.contracts.params import Recipe, TrainingParams
from merflow.training.history import EpochFigures, FoldHistory

CHECKPOINT = "checkpoint.safetensors"

# The number of threads only changes the last bits of sums: a fold may go on with another.
_DECIDING_PARAMS = ("seed", "precision", "max_epochs")


def fingerprint_of(
    model: nn.Module,
    *,
    train: BatchSource,
    dev: BatchSource,
    recipe: Recipe,
    params: TrainingParams,
    device: torch.device,
) -> dict[str, str]:
    """What a fold's result follows from, in words or digests; a checkpoint is picked up only where all agree."""
    sizes = {name: [list(value.shape), str(value.dtype)] for name, value in model.state_dict().items()}
    facts = {f"recipe.{key}": str(value) for key, value in recipe.model_dump().items()}
    facts |= {f"training.{key}": str(getattr(params, key)) for key in _DECIDING_PARAMS}
    facts |= {"training.device": device.type}
    facts |= {"model": f"{type(model).__name__} of {digest(sizes)}", "model.config": str(getattr(model, "config", ""))}
    return facts | {"training data": _data(train), "development data": _data(dev)}


def save_checkpoint(
    folder: Path,
    *,
    model: nn.Module,
    best: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    history: FoldHistory,
    fingerprint: Mapping[str, str],
) -> None:
    """Writes the state after the history's last epoch, replacing the state before in one step.

    Raises:
        OutputError: The folder cannot be written.
    """
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{place}/{name}": value for name, value in state.items()}
    # Copies: safetensors refuses tensors that share memory.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    metadata = {"fingerprint": json.dumps(dict(fingerprint)), "history": json.dumps(asdict(history))}
    with replacing(folder / CHECKPOINT) as part:
        save_file(tensors, part, metadata=metadata)


def load_checkpoint(
    folder: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: Mapping[str, str]
) -> tuple[FoldHistory, dict[str, Tensor]]:
    """Restores model and optimiser; returns the history so far and the best weights. Empty without a checkpoint.

    Raises:
        TrainingError: The checkpoint is corrupt, or belongs to another recipe, model or data.
    """
    for litter in folder.glob(f".{CHECKPOINT}.*.part"):
        litter.unlink(missing_ok=True)
    path = folder / CHECKPOINT
    if not path.is_file():
        return FoldHistory(), {}
    tensors, metadata = _read(path)
    try:
        found = json.loads(metadata["fingerprint"])
        history = _history(json.loads(metadata["history"]))
        _refuse_other(path, found=found, expected=fingerprint)
        model.load_state_dict(_below(tensors, "model/"))
        _restore(optimizer, _below(tensors, "optimizer/"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TrainingError(f"{path} is no checkpoint of a fold ({error!r}); delete it to start anew") from error
    return history, _below(tensors, "best/")


def remove_checkpoint(folder: Path) -> None:
    """Forgets the state of a fold."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _data(source: BatchSource) -> str:
    """Digest of all lengths and of the first utterances' ids, labels and values.

    The values enter as sums of three digits: standardisation may differ in the last bits from machine to machine.
    """
    batch = source.batch(range(min(len(source), 8)))
    sums = {role: f"{float(values.double().abs().sum()):.3g}" for role, values in batch.features.items()}
    labels = None if batch.labels is None else batch.labels.tolist()
    lengths = np.asarray(source.lengths).tolist()
    return f"{len(source)} utterances, {digest([lengths, sums, labels, list(batch.utterance_ids)])}"


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise TrainingError(f"{path} is corrupt ({error}); delete it to start the fold anew") from error


def _refuse_other(path: Path, *, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    differing = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    if differing:
        lines = [f"  {key}: {found.get(key)} there, {expected.get(key)} now" for key in differing]
        raise TrainingError(
            "\n".join([f"{path} is of another fold; use another folder, or delete it to start anew", *lines])
        )


def _history(values: Mapping[str, Any]) -> FoldHistory:
    return FoldHistory(tuple(EpochFigures(**row) for row in values["epochs"]), int(values["best_epoch"]))


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        place, _, key = name.partition("/")
        state.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
