"""Where a fold is computed, and in which precision."""

from contextlib import AbstractContextManager, nullcontext

import torch

from merflow.contracts.errors import TrainingError
from merflow.contracts.params import TrainingParams


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


def autocast(params: TrainingParams, *, device: torch.device) -> AbstractContextManager[object]:
    """bf16 autocast where the params ask for it, or leave it open and the GPU computes in bf16; else float32.

    Raises:
        TrainingError: ``bfloat16`` is asked for and the GPU does not have it.
    """
    if params.precision == "float32" or (params.precision == "auto" and device.type == "cpu"):
        return nullcontext()
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        if params.precision == "auto":
            return nullcontext()
        raise TrainingError(
            f"training.precision is bfloat16, but {torch.cuda.get_device_name(device)} does not compute in it; "
            "set training.precision=auto or float32"
        )
    return torch.autocast(device.type, dtype=torch.bfloat16)
