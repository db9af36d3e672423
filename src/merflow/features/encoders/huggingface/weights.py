"""The second half's common ground: weights on a device, and how they are computed.

Shapes: N inputs of a batch, n places of the longest (samples, tokens, mel bands), T steps, L layers, D width.
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
    """A transformer on its device, of which the last hidden state or those of all layers are taken.

    Args:
        model: The transformers model.
        settings: Of the profile.
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
        """``(T, D)`` or ``(T, L, D)`` float32 of each input ``(n, ...)``; no step of an input that has none.

        Args:
            inputs: Padded together at the end of their first axis.
            steps: T of each.
            fill: What shorter inputs are padded with.
        """
        found = [self.nothing] * len(inputs)
        rows = [row for row, count in enumerate(steps) if count]
        if rows:
            arrays = unpad(self._forward([inputs[row] for row in rows], fill=fill), [steps[row] for row in rows])
            for row, array in zip(rows, arrays, strict=True):
                found[row] = array
        return found

    def _forward(self, inputs: Sequence[np.ndarray], *, fill: float) -> Tensor:
        """Without a mask where nothing is padded, which spares attention the work of applying it."""
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
    """``auto`` is the GPU where there is one.

    Raises:
        FeatureError: ``cuda`` is asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise FeatureError(f"features are to be extracted on {name}, but torch sees no GPU; choose auto or cpu")
    return torch.device(name)


def load_weights(kind: Any, folder: Path, **settings: Any) -> Any:  # noqa: ANN401 - transformers' own classes
    """A model of this transformers class in evaluation mode and float32, every one of its weights from the folder.

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
    missing = sorted(map(str, [*info["missing_keys"], *info.get("mismatched_keys", ())]))
    if missing:
        raise FeatureError(
            f"{folder} lacks {len(missing)} weight(s) of {kind.__name__}, the first is {missing[0]}; "
            "it holds another architecture or is incomplete: download it again, or correct `model` in the profile"
        )
    model.eval().requires_grad_(False)
    return model


@contextmanager
def without_bars() -> Iterator[None]:
    """No bars and no reports of transformers while a model is read or written; the caller checks what was read."""
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
    """Has torch.compile translate each layer when it first runs, for any batch and length."""
    for layer in layers:
        layer.compile(dynamic=True)


@contextmanager
def computing(device: torch.device, dtype: Dtype) -> Iterator[None]:
    """Inference on a device: autocast on a GPU where another precision than float32 is asked for.

    float32 means float32: convolutions too, which PyTorch would otherwise compute in TF32 on a GPU.
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
    """``(N, T, D)`` or ``(N, T, L, D)`` of a model's output.

    In transformers 5, WavLM-large's last entry of ``hidden_states`` lacks the final normalisation that earlier versions
    put there; the last layer is the last hidden state here.
    """
    if layers == "last":
        last: Tensor = output.last_hidden_state
        return last
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.stack(states if layers == "all" else states[1:], dim=2)


def layer_count(transformer_layers: int, layers: Layers) -> int | None:
    """L, None where there is no layer axis."""
    return {"last": None, "transformer": transformer_layers, "all": transformer_layers + 1}[layers]


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on a device, through pinned memory to a GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def unpad(values: Tensor, steps: list[int]) -> list[np.ndarray]:
    """Each row's real steps, ``(T, ...)`` float32 on the CPU."""
    host = values.float().cpu().numpy()
    return [np.array(row[:count]) for row, count in zip(host, steps, strict=True)]
