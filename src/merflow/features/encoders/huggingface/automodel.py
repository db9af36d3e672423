"""Any model that transformers loads with ``AutoModel``: recordings, texts or pictures to hidden states.

In a model of an unknown family, padding may change the output. So each model is tested when it is built: two inputs of
different lengths are encoded alone, and padded in one batch. If the outputs agree, inputs are encoded in padded
batches; otherwise each is encoded by itself, which is slower but equally correct.

Shapes: U units (recordings, texts, pictures), n samples, tokens or frames, T steps, L layers, D width.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.streams import Modality, StreamShape
from merflow.errors import FeatureError
from merflow.features.encoders.huggingface.settings import LayeredSettings, Layers, PictureSettings, Pooling
from merflow.features.encoders.huggingface.wavlm import FrameNorm
from merflow.features.encoders.huggingface.weights import computing, layers_of, load_weights

# Modality -> names of a model's main input, and of the tower that reads it in a model of several.
_INPUTS: dict[Modality, tuple[str, ...]] = {
    "audio": ("input_values", "input_features"),
    "text": ("input_ids",),
    "video": ("pixel_values",),
}
_TOWERS: dict[Modality, str] = {"audio": "audio_model", "text": "text_model", "video": "vision_model"}

# Weights that older checkpoints lack and no hidden state depends on, by parts of their names.
_OPTIONAL = ("pooler", ".head.", "masked_spec_embed", "mask_token")

# Largest relative difference that counts as rounding.
_ROUNDING = 1e-4


class SequenceNetwork(nn.Module):
    """A model of recordings or texts.

    Args:
        folder: Folder of the model.
        settings: The profile's settings.
        modality: The modality of its inputs.
        examples: Two prepared inputs of different lengths, ``(n, ...)`` each, for testing the model.

    Attributes:
        weights: The transformers model.
        shape: Layers and width of its output.
        pads: True if inputs can be padded in a batch.

    Raises:
        FeatureError: The weights cannot be read, the model reads another modality, or it has no hidden states.
    """

    def __init__(
        self, folder: Path, settings: LayeredSettings, *, modality: Modality, examples: Sequence[np.ndarray]
    ) -> None:
        super().__init__()
        self.weights = _tower(folder, modality)
        self._layers: Layers = settings.layers
        self._norm = _frame_norm(self.weights)
        self._example = torch.from_numpy(examples[0])[None]
        long, short = (torch.from_numpy(example)[None] for example in examples)
        with computing(torch.device("cpu"), "float32"):
            alone = [_checked(folder, self._alone, values, self._layers) for values in (long, short)]
            layers = alone[0].shape[2] if alone[0].dim() == 4 else None
            self.shape = StreamShape(layers=layers, width=alone[0].shape[-1])
            self.pads = self._measured(long, short, alone)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode ``(U, n, ...)`` to ``(U, T, D)`` or ``(U, T, L, D)``; steps after a unit's last are arbitrary."""
        if not self.pads:
            rows = [self._alone(row[None, :length])[0] for row, length in zip(values, lengths.tolist(), strict=True)]
            return nn.utils.rnn.pad_sequence(rows, batch_first=True)
        present = torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)
        self._set_frames(lengths.tolist())
        return self._pass(values, attention_mask=None if present.all() else present.long())

    def used(self) -> set[str]:
        """Return the names of the parameters that the output depends on."""
        return _used(self, self.weights, self._example)

    def steps(self, length: int) -> int | None:
        """Return T of a recording or text; None if the model cannot compute it in advance."""
        count = getattr(self.weights, "_get_feat_extract_output_lengths", None)
        if self.weights.main_input_name == "input_ids":
            return length
        if count is None or self.weights.main_input_name != "input_values":
            return None
        return max(0, int(count(torch.tensor(length))))

    def _alone(self, values: Tensor) -> Tensor:
        self._set_frames([values.shape[1]] * len(values))
        return self._pass(values, attention_mask=None)

    def _pass(self, values: Tensor, *, attention_mask: Tensor | None) -> Tensor:
        masked = {} if attention_mask is None else {"attention_mask": attention_mask}
        inputs = {self.weights.main_input_name: values}
        return layers_of(
            self.weights(**inputs, **masked, output_hidden_states=self._layers != "last", return_dict=True),
            self._layers,
        )

    def _set_frames(self, lengths: Sequence[int]) -> None:
        if self._norm is not None:
            kernel, stride = self.weights.config.conv_kernel[0], self.weights.config.conv_stride[0]
            self._norm.frames = [(length - kernel) // stride + 1 for length in lengths]

    def _measured(self, long: Tensor, short: Tensor, alone: Sequence[Tensor]) -> bool:
        """Return True if two inputs have the same numbers in a padded batch as by themselves."""
        lengths = torch.tensor([long.shape[1], short.shape[1]])
        steps = [self.steps(length) for length in lengths.tolist()]
        if steps != [values.shape[1] for values in alone]:
            return False
        padding = getattr(self.weights.config, "pad_token_id", None) if short.dtype == torch.int64 else 0
        blank = short.new_full((1, long.shape[1] - short.shape[1], *short.shape[2:]), padding or 0)
        self.pads = True
        try:
            together = self(torch.cat([long, torch.cat([short, blank], dim=1)]), lengths)
        except (RuntimeError, TypeError, ValueError):  # takes no mask, or no batch of this kind
            return False
        return all(
            bool((row[: len(values[0])] - values[0]).abs().max() <= _ROUNDING * values.abs().max())
            for row, values in zip(together, alone, strict=True)
        )


class PictureNetwork(nn.Module):
    """A model of pictures: pixels ``(U, 3, H, W)`` uint8, one picture per unit, one step each.

    Attributes:
        weights: The transformers model.
        shape: Width of its output.

    Raises:
        FeatureError: As :class:`SequenceNetwork`, or the model has no class token or pooler to pool by.
    """

    def __init__(self, folder: Path, settings: PictureSettings, *, processor: Any, example: np.ndarray) -> None:  # noqa: ANN401 - transformers' own class
        super().__init__()
        self.weights = _tower(folder, "video", pooler=settings.pooling == "pooler")
        self._pooling: Pooling = settings.pooling
        self._factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
        scaling = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
        for name, figures in zip(("mean", "deviation"), scaling, strict=True):
            self.register_buffer(name, torch.tensor(figures).view(3, 1, 1), persistent=False)
        self._example = torch.from_numpy(example)[None]
        with computing(torch.device("cpu"), "float32"):
            encoded = _checked(folder, self._vectors, self._example, f"pooled by {self._pooling}")
        self.shape = StreamShape(layers=None, width=encoded.shape[-1])

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002 - pictures are of one size
        """Encode to ``(U, 1, D)``."""
        return self._vectors(values).unsqueeze(1)

    def used(self) -> set[str]:
        """Return the names of the parameters that the output depends on."""
        return _used(self, self.weights, self._example)

    def _vectors(self, values: Tensor) -> Tensor:
        pixels = (values.float() * self._factor - self.get_buffer("mean")) / self.get_buffer("deviation")
        output = self.weights(pixel_values=pixels, return_dict=True)
        if self._pooling == "pooler":
            pooled: Tensor = output.pooler_output
            return pooled.flatten(1)  # convolutional networks give (U, D, 1, 1)
        states: Tensor = output.last_hidden_state
        if self._pooling == "class":
            if states.dim() != 3:
                raise AttributeError("class token")
            return states[:, 0]
        return states.mean(dim=1) if states.dim() == 3 else states.flatten(2).mean(dim=2)


def _used(network: nn.Module, weights: nn.Module, example: Tensor) -> set[str]:
    """Return the names of the parameters that the output depends on: only these can be trained."""
    for value in weights.parameters():
        value.requires_grad_(True)
    with torch.enable_grad():
        network(example, torch.tensor([example.shape[1]])).square().sum().backward()
    used = {name for name, value in weights.named_parameters() if value.grad is not None}
    for value in weights.parameters():
        value.grad = None
        value.requires_grad_(False)
    return used


def _tower(folder: Path, modality: Modality, *, pooler: bool = False) -> Any:  # noqa: ANN401 - transformers' own classes
    """Load a model; for a model with several towers or a decoder, return the part that reads the modality."""
    from transformers import AutoModel

    model = load_weights(AutoModel, folder, optional=() if pooler else _OPTIONAL)
    if getattr(model.config, "is_encoder_decoder", False) and hasattr(model, "get_encoder"):
        model = model.get_encoder()
    model = getattr(model, _TOWERS[modality], model)
    if model.main_input_name not in _INPUTS[modality]:
        raise FeatureError(
            f"the {model.config.model_type} in {folder} reads {model.main_input_name}, but its role in the profile is "
            f"{modality}; correct `model` or `name` in the profile"
        )
    return model


def _frame_norm(model: Any) -> FrameNorm | None:  # noqa: ANN401 - transformers' own class
    """Replace a norm over the whole recording, which padding would shift, by one over its own frames."""
    layers: Any = getattr(getattr(model, "feature_extractor", None), "conv_layers", None)
    norm = getattr(layers[0], "layer_norm", None) if layers else None
    if not isinstance(norm, nn.GroupNorm) or norm.num_groups != norm.num_channels:
        return None
    replacement = FrameNorm(norm)
    layers[0].layer_norm = replacement
    return replacement


def _checked(folder: Path, encode: Any, values: Tensor, wanted: str) -> Tensor:  # noqa: ANN401 - a method above
    """Return a model's output for an example.

    Raises:
        FeatureError: The model returns no hidden states.
    """
    try:
        states = encode(values)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise FeatureError(
            f"the model in {folder} has no hidden states ({wanted}): {reason}; choose another model"
        ) from error
    if not isinstance(states, Tensor) or states.dim() < 2:
        raise FeatureError(f"the model in {folder} has no hidden states ({wanted}); choose another model")
    return states
