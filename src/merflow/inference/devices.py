"""Device and precision of a fold's computations."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from merflow.contracts.machine import free_memory_gib, usable_cores
from merflow.contracts.params import TrainingParams
from merflow.errors import TrainingError

_FOLD_GIB = 2.0  # torch takes 0.5, and training.resident_gib may add to it
_FOLDS_PER_GPU = 2
_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def device_of(params: TrainingParams) -> torch.device:
    """Return the device that ``training.device`` names; ``auto`` is a GPU if there is one.

    Raises:
        TrainingError: The parameter is ``cuda``, but there is no GPU.
    """
    if params.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("training.device is cuda, but torch sees no GPU; set training.device=auto or cpu")
    if params.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(params.device)


def gpus(params: TrainingParams) -> list[str]:
    """Return one entry per fold that can train at the same time: its GPUs, as listed in ``CUDA_VISIBLE_DEVICES``.

    The list is empty if folds train on the CPU.

    Raises:
        TrainingError: There are GPUs, but fewer than ``training.devices_per_fold``.
    """
    count = 0 if params.device == "cpu" else torch.cuda.device_count()
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible[:count] if visible else [str(index) for index in range(count)]
    each = params.devices_per_fold
    if 0 < len(names) < each:
        raise TrainingError(
            f"training.devices_per_fold is {each}, but torch sees {len(names)} GPU(s); set it to {len(names)} or less, "
            "or set training.device=cpu. On a cluster, compile the pipeline for as many GPUs per pod: merflow pipeline "
            f"compile --set training.devices_per_fold={each}"
        )
    return [",".join(names[first : first + each]) for first in range(0, len(names) - each + 1, each)]


def processes_at_once(params: TrainingParams, *, wanted: int) -> int:
    """Return the number of folds or trials that this machine trains at the same time.

    The number does not affect results. Each fold gets ``training.threads`` cores and 2 GiB of memory; two folds share a
    GPU.

    Args:
        params: Training parameters.
        wanted: Number of folds or trials.
    """
    limits = [wanted, usable_cores() // (params.threads * params.devices_per_fold)]
    memory_gib = free_memory_gib()
    if memory_gib is not None:
        limits.append(int(memory_gib / _FOLD_GIB / params.devices_per_fold))
    if available := gpus(params):
        limits.append(_FOLDS_PER_GPU * len(available))
    return max(1, min(limits))


def autocast_dtype(params: TrainingParams, *, device: torch.device, precision: str = "auto") -> torch.dtype | None:
    """Return the dtype that autocast uses in the forward pass; None for float32 throughout.

    Args:
        params: Training parameters; their precision overrides the recipe's unless it is ``auto``.
        device: The device. On a CPU, ``auto`` is float32.
        precision: The recipe's precision; ``auto`` is bfloat16 on a GPU.

    Raises:
        TrainingError: The parameters set bfloat16, and the GPU does not support it.
    """
    overridden = params.precision != "auto"
    if params.precision == "float32" or (not overridden and device.type == "cpu"):
        return None
    chosen = params.precision if overridden else precision
    dtype = _DTYPES.get(chosen, torch.bfloat16)
    unsupported = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if dtype is torch.bfloat16 and unsupported:
        if not overridden:
            return None
        raise TrainingError(
            f"training.precision is bfloat16, but {torch.cuda.get_device_name(device)} does not support it; "
            "set training.precision=auto or float32"
        )
    return dtype


def autocast(
    params: TrainingParams, *, device: torch.device, precision: str = "auto"
) -> AbstractContextManager[object]:
    """Return autocast to the dtype of :func:`autocast_dtype`, or a context that does nothing.

    Raises:
        TrainingError: See :func:`autocast_dtype`.
    """
    dtype = autocast_dtype(params, device=device, precision=precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
