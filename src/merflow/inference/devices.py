"""Where a fold is computed, and in which precision."""

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from merflow.contracts.params import TrainingParams
from merflow.errors import TrainingError

_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def device_of(params: TrainingParams) -> torch.device:
    """``auto`` is the GPU where there is one.

    Raises:
        TrainingError: ``cuda`` is asked for and there is none.
    """
    if params.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("training.device is cuda, but torch sees no GPU; set training.device=auto or cpu")
    if params.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(params.device)


def gpus(params: TrainingParams) -> list[str]:
    """What one fold gets of the GPUs each, as ``CUDA_VISIBLE_DEVICES`` names them; nothing where a CPU computes.

    Raises:
        TrainingError: There are GPUs, but fewer than one fold is to have.
    """
    count = 0 if params.device == "cpu" else torch.cuda.device_count()
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = visible[:count] if visible else [str(place) for place in range(count)]
    each = params.devices_per_fold
    if 0 < len(names) < each:
        raise TrainingError(
            f"training.devices_per_fold is {each}, but torch sees {len(names)} GPU(s); set it to {len(names)} or less, "
            "or training.device=cpu. A cluster's pod has those that its pipeline was compiled with: merflow pipeline "
            f"compile --set training.devices_per_fold={each}"
        )
    return [",".join(names[first : first + each]) for first in range(0, len(names) - each + 1, each)]


def autocast_dtype(params: TrainingParams, *, device: torch.device, precision: str = "auto") -> torch.dtype | None:
    """What the forward pass is cast to; None for float32 throughout.

    Args:
        params: Their own precision counts where it is not ``auto``.
        device: A CPU computes ``auto`` in float32.
        precision: The recipe's; ``auto`` is bf16 on a GPU.

    Raises:
        TrainingError: bf16 is asked for by the params, and the GPU does not have it.
    """
    asked = params.precision != "auto"
    if params.precision == "float32" or (not asked and device.type == "cpu"):
        return None
    chosen = params.precision if asked else precision
    dtype = _DTYPES.get(chosen, torch.bfloat16)
    lacking = device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    if dtype is torch.bfloat16 and lacking:
        if not asked:
            return None
        raise TrainingError(
            f"training.precision is bfloat16, but {torch.cuda.get_device_name(device)} does not compute in it; "
            "set training.precision=auto or float32"
        )
    return dtype


def autocast(
    params: TrainingParams, *, device: torch.device, precision: str = "auto"
) -> AbstractContextManager[object]:
    """The autocast of :func:`autocast_dtype`, or nothing.

    Raises:
        TrainingError: As there.
    """
    dtype = autocast_dtype(params, device=device, precision=precision)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
