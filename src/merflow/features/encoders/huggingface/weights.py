"""Pretrained weights on a device, and their forward pass over a padded batch.

Shapes: N inputs of a batch, n positions of the longest (samples, tokens, mel bands), T steps, L layers, D width.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.settings import Dtype, LayeredSettings, Layers

_AUTOCAST: dict[Dtype, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class LayeredWeights:
    """A transformer on its device, which yields its last hidden state or those of all layers.

    Args:
        model: The transformers model.
        settings: The profile's settings.
        blocks: The model's transformer layers.
        device: ``cpu``, ``cuda``, or ``auto``.

    Attributes:
        model: The model on its device.
        shape: Layers and width of every array.
        nothing: The array of an input without steps.
    """

    def __init__(self, model: Any, settings: LayeredSettings, *, blocks: nn.ModuleList, device: str) -> None:  # noqa: ANN401 - transformers' own classes
        self._device = device_of(device)
        self._settings = settings
        self.model = model.to(self._device)
        if settings.compile:
            compile_layers(blocks)
        layers = layer_count(len(blocks), settings.layers)
        self.shape = StreamShape(layers=layers, width=model.config.hidden_size)
        entry = (self.shape.width,) if layers is None else (layers, self.shape.width)
        self.nothing = np.zeros((0, *entry), dtype=np.float32)

    def encode(self, inputs: Sequence[np.ndarray], *, steps: Sequence[int], fill: float = 0) -> list[np.ndarray]:
        """Return ``(T, D)`` or ``(T, L, D)`` float32 for each input ``(n, ...)``.

        Args:
            inputs: Inputs of the batch; they are padded at the end of their first axis.
            steps: T of each input; 0 for an input that yields no step.
            fill: Value that pads shorter inputs.
        """
        encoded = [self.nothing] * len(inputs)
        rows = [row for row, count in enumerate(steps) if count]
        if rows:
            arrays = unpad(self._forward([inputs[row] for row in rows], fill=fill), [steps[row] for row in rows])
            for row, array in zip(rows, arrays, strict=True):
                encoded[row] = array
        return encoded

    def _forward(self, inputs: Sequence[np.ndarray], *, fill: float) -> Tensor:
        """Run the model on the padded inputs; a batch without padding needs no mask, which makes attention faster."""
        lengths = np.array([len(each) for each in inputs])
        values = np.full((len(inputs), lengths.max(), *inputs[0].shape[1:]), fill, dtype=inputs[0].dtype)
        for row, each in enumerate(inputs):
            values[row, : len(each)] = each
        present = np.arange(values.shape[1]) < lengths[:, None]
        with computing(self._device, self._settings.dtype):
            masked = {} if present.all() else {"attention_mask": to_device(present.astype(np.int64), self._device)}
            output = self.model(
                to_device(values, self._device), output_hidden_states=self._settings.layers != "last", **masked
            )
            return layers_of(output, self._settings.layers)


def device_of(name: str) -> torch.device:
    """Return a device by name; ``auto`` is the GPU if there is one.

    Raises:
        FeatureError: The name is ``cuda`` and there is no GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise FeatureError(f"features.device is {name}, but torch sees no GPU; choose auto or cpu")
    return torch.device(name)


def load_weights(kind: Any, folder: Path, *, optional: tuple[str, ...] = (), **settings: Any) -> Any:  # noqa: ANN401 - transformers' own classes
    """Load a model of this transformers class, in evaluation mode and float32, with all of its weights from the folder.

    Args:
        kind: The class.
        folder: The folder.
        optional: Parts of the names of weights that the folder may lack.
        settings: Further settings of the class.

    Raises:
        FeatureError: Weights are missing, of another shape, or unreadable.
    """
    try:
        with without_bars():
            model, info = kind.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True, local_files_only=True, **settings
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FeatureError(f"the weights in {folder} cannot be read ({reason}); download the folder again") from error
    lacked = [*map(str, info["missing_keys"]), *map(str, info.get("mismatched_keys", ()))]
    missing = sorted(name for name in lacked if not any(part in f".{name}" for part in optional))
    if missing:
        raise FeatureError(
            f"{folder} lacks {len(missing)} weight(s) of {kind.__name__}, the first is {missing[0]}; "
            "it holds another architecture or is incomplete: download it again, or correct `model` in the profile"
        )
    model.eval().requires_grad_(False)
    return model


@contextmanager
def without_bars() -> Iterator[None]:
    """Silence transformers' progress bars and reports while a model is read or written; callers check the result."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def compile_layers(layers: nn.ModuleList) -> None:
    """Compile each layer with torch.compile when it first runs, for any batch and length."""
    for layer in layers:
        layer.compile(dynamic=True)


@contextmanager
def computing(device: torch.device, dtype: Dtype) -> Iterator[None]:
    """Run inference on a device, with autocast on a GPU if the precision is not float32.

    With float32, convolutions also run in float32; PyTorch would otherwise compute them in TF32 on a GPU.
    """
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")  # WavLM's own call
        if device.type != "cuda":
            yield
        elif dtype == "float32":
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                yield
        else:
            with torch.autocast(device.type, dtype=_AUTOCAST[dtype]):
                yield


def layers_of(output: Any, layers: Layers) -> Tensor:  # noqa: ANN401 - transformers' own class
    """Return the chosen layers of a model's output, ``(N, T, D)`` or ``(N, T, L, D)``.

    In transformers 5, the last entry of WavLM-large's ``hidden_states`` lacks the final normalization that earlier
    versions applied to it. Here the last layer is the last hidden state.
    """
    if layers == "last":
        last: Tensor = output.last_hidden_state
        return last
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.stack(states if layers == "all" else states[1:], dim=2)


def layer_count(transformer_layers: int, layers: Layers) -> int | None:
    """Return L; None if there is no layer axis."""
    return {"last": None, "transformer": transformer_layers, "all": transformer_layers + 1}[layers]


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to a device, through pinned memory if it is a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def unpad(values: Tensor, steps: list[int]) -> list[np.ndarray]:
    """Return each row without its padding, ``(T, ...)`` float32 on the CPU."""
    host = values.float().cpu().numpy()
    return [np.array(row[:count]) for row, count in zip(host, steps, strict=True)]
