"""Pretrained encoders as modules through which gradients pass: padded units in, hidden states out.

Shapes: U units (recordings, texts, pictures, windows of 30 s), n samples, I tokens, M mel bands, S frames of the first
convolution, C channels, T steps, L layers, D width.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import EncoderPart, Modality, StreamShape
from merflow.contracts.strict import parse
from merflow.corpus.samples import RATE_HZ
from merflow.errors import FeatureError, nearest
from merflow.features.encoders.huggingface.automodel import PictureNetwork, SequenceNetwork
from merflow.features.encoders.huggingface.generic import picture_network, sequence_network
from merflow.features.encoders.huggingface.processors import folder_of, image_processor
from merflow.features.encoders.huggingface.settings import (
    CheckpointSettings,
    LayeredSettings,
    PictureSettings,
    SpeechSettings,
)
from merflow.features.encoders.huggingface.steps import speech_steps
from merflow.features.encoders.huggingface.wavlm import fused_attention
from merflow.features.encoders.huggingface.weights import layer_count, layers_of, load_weights

# Encoder -> part -> prefixes of the names of its parameters; ``everything`` is all of these. WavLM's vector for masked
# steps stays as pretrained, because no utterance's features depend on it, and so do Whisper's sinusoids.
PARTS: Mapping[str, Mapping[EncoderPart, tuple[str, ...]]] = {
    "wavlm": {"convolutions": ("feature_extractor.",), "transformer": ("feature_projection.", "encoder.")},
    "bert": {"embeddings": ("embeddings.",), "transformer": ("encoder.",)},
    "roberta": {"embeddings": ("embeddings.",), "transformer": ("encoder.",)},
    "whisper-encoder": {"convolutions": ("conv1.", "conv2."), "transformer": ("layers.", "layer_norm.")},
    "clip-image": {
        "embeddings": ("vision_model.embeddings.", "vision_model.pre_layrnorm."),
        "transformer": ("vision_model.encoder.", "vision_model.post_layernorm.", "visual_projection."),
    },
    # Families differ in their other names; ``everything`` is whatever the output depends on.
    "audio": {"convolutions": ("feature_extractor.",), "transformer": ("feature_projection.", "encoder.")},
    "text": {"embeddings": ("embeddings.",), "transformer": ("encoder.", "transformer.", "layers.", "final_norm.")},
    "image": {"embeddings": ("embeddings.",), "transformer": ("encoder.", "layernorm.", "post_layernorm.")},
}


class Network(Protocol):
    """The interface of every encoder's module; its parameters have the names that transformers gives them.

    Attributes:
        shape: Layers and width of its output.
        weights: The transformers model inside.
    """

    shape: StreamShape
    weights: nn.Module

    def __call__(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode to ``(U, T, D)`` or ``(U, T, L, D)``; padding and other units never change a unit's real steps."""
        ...


def build_network(spec: EncoderSpec) -> Network:
    """Build the module of a profile's encoder in evaluation mode, in float32 on the CPU, with all parameters frozen.

    Raises:
        FeatureError: The encoder has no weights to train, or they cannot be read.
        ParamsError: The spec's settings are wrong for the encoder.
    """
    if spec.name not in PARTS:
        raise FeatureError(
            f"encoder {spec.name!r} has no weights to fine-tune; {nearest(spec.name, PARTS)}, as in profile paper"
        )
    kinds: dict[str, Any] = {"clip-image": CheckpointSettings, "image": PictureSettings, "wavlm": SpeechSettings}
    kind = kinds.get(spec.name, LayeredSettings)
    settings: Any = parse(kind, spec.settings, where=f"settings of encoder {spec.name!r}")
    folder = folder_of(spec)
    if spec.name == "image":
        return picture_network(folder, settings)
    if spec.name in {"audio", "text"}:
        modality: Modality = "audio" if spec.name == "audio" else "text"
        network = sequence_network(folder, settings, modality=modality)
        if network.steps(RATE_HZ) is None:
            raise FeatureError(
                f"the model in {folder} cannot compute its number of steps in advance, so it cannot be fine-tuned; "
                "choose a preset with frozen encoders"
            )
        return network
    if spec.name == "clip-image":
        return ImageNetwork(folder)
    if spec.name in {"bert", "roberta"}:
        return TextNetwork(folder, settings, roberta=spec.name == "roberta")
    return (SpeechNetwork if spec.name == "wavlm" else WhisperNetwork)(folder, settings)


def learn(network: Network, *, encoder: str, part: EncoderPart) -> dict[str, nn.Parameter]:
    """Unfreeze one part of an encoder, freeze the rest, and return the trainable parameters by name.

    Raises:
        FeatureError: The encoder has no such part.
    """
    parts = PARTS[encoder]
    if part != "everything" and part not in parts:
        known = [*parts, "everything"]
        raise FeatureError(f"encoder {encoder!r} has no part {part!r} to fine-tune; {nearest(part, known)}")
    prefixes = tuple(chain.from_iterable(parts.values())) if part == "everything" else parts[part]
    if isinstance(network, SequenceNetwork | PictureNetwork):
        used = network.used()
        names = used if part == "everything" else {name for name in used if name.startswith(prefixes)}
    else:
        names = {name for name, _ in network.weights.named_parameters() if name.startswith(prefixes)}
    if not names:
        raise FeatureError(f"the model of encoder {encoder!r} has no part {part!r} to fine-tune; name everything")
    chosen = {}
    for name, value in network.weights.named_parameters():
        value.requires_grad_(name in names)
        if value.requires_grad:
            chosen[name] = value
    return chosen


class SpeechNetwork(nn.Module):
    """WavLM: samples ``(U, n)``, scaled by its feature extractor.

    In training mode it has the dropout, LayerDrop and masking of steps (SpecAugment) that its config sets. Decision: no
    LayerDrop if layers are read one by one, because a dropped layer has no output; and no masking in recordings shorter
    than one masked span.
    """

    def __init__(self, folder: Path, settings: LayeredSettings) -> None:
        from transformers import WavLMModel

        super().__init__()
        self.weights = load_weights(WavLMModel, folder, attn_implementation="eager")
        self.shape = _shape(self.weights.config, settings)
        self._layers = settings.layers
        if self._layers != "last":
            self.weights.config.layerdrop = 0.0
        for layer in self.weights.encoder.layers:
            layer.attention.torch_multi_head_self_attention = partial(fused_attention, layer.attention)
        self._norm: MaskedFrameNorm | None = None
        first = self.weights.feature_extractor.conv_layers[0]
        if self.weights.config.feat_extract_norm == "group":
            self._norm = first.layer_norm = MaskedFrameNorm(first.layer_norm)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode to ``(U, T, D)`` or ``(U, T, L, D)``."""
        if self._norm is not None:
            config = self.weights.config
            self._norm.frames = (lengths - config.conv_kernel[0]) // config.conv_stride[0] + 1
        with numpy_seeded_by_torch() if self.training else nullcontext():
            output = self.weights(
                values,
                attention_mask=_present(values, lengths).long(),
                mask_time_indices=self._unmasked(values),
                output_hidden_states=self._layers != "last",
            )
        return layers_of(output, self._layers)

    def train(self, mode: bool = True) -> "SpeechNetwork":
        """Set the mode; frozen convolutions stay in evaluation mode, where they request no gradient of the samples."""
        super().train(mode)
        convolutions = self.weights.feature_extractor
        convolutions.train(mode and any(value.requires_grad for value in convolutions.parameters()))
        return self

    def _unmasked(self, values: Tensor) -> Tensor | None:
        """Return an empty mask ``(U, T)`` if the recordings are too short to mask; None to mask as the config says."""
        if not self.training:
            return None
        steps = speech_steps(values.shape[1], self.weights.config.to_dict())
        if steps >= self.weights.config.mask_time_length:
            return None
        return torch.zeros(len(values), steps, dtype=torch.bool, device=values.device)


@contextmanager
def numpy_seeded_by_torch() -> Iterator[None]:
    """Seed NumPy's global generator from torch's within the block.

    transformers draws the masked steps with NumPy. So they follow from torch's seed too, and a slice that is computed
    again in the backward pass is masked as in the forward pass.
    """
    before = np.random.get_state()
    np.random.seed(int(torch.randint(2**31, ())))
    try:
        yield
    finally:
        np.random.set_state(before)


class MaskedFrameNorm(nn.Module):
    """A group norm with one channel per group, over each recording's own frames, through which gradients pass.

    Attributes:
        frames: ``(U,)`` int64, number of frames of each recording; set before every forward pass.
    """

    frames: Tensor

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(U, C, S)`` float32 with zeros after each recording's last frame."""
        real = _present(values[:, 0], self.frames).unsqueeze(1)  # (U, 1, S)
        count = self.frames.view(-1, 1, 1)
        values = values.float()
        mean = torch.where(real, values, 0).sum(dim=-1, keepdim=True) / count
        centred = torch.where(real, values - mean, 0)
        variance = centred.square().sum(dim=-1, keepdim=True) / count
        normed = centred * (variance + self.eps).rsqrt() * self.weight[:, None] + self.bias[:, None]
        return torch.where(real, normed, 0)


class TextNetwork(nn.Module):
    """RoBERTa or BERT: token ids ``(U, I)``."""

    def __init__(self, folder: Path, settings: LayeredSettings, *, roberta: bool) -> None:
        from transformers import BertModel, RobertaModel

        super().__init__()
        kind = RobertaModel if roberta else BertModel
        self.weights = load_weights(kind, folder, add_pooling_layer=False, attn_implementation="sdpa")
        self.shape = _shape(self.weights.config, settings)
        self._layers = settings.layers

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Encode to ``(U, I, D)`` or ``(U, I, L, D)``."""
        output = self.weights(
            values,
            attention_mask=_present(values, lengths).long(),
            output_hidden_states=self._layers != "last",
        )
        return layers_of(output, self._layers)


class WhisperNetwork(nn.Module):
    """Whisper's encoder: log-mel bands ``(U, M, 3000)``, one window of 30 s per unit."""

    def __init__(self, folder: Path, settings: LayeredSettings) -> None:
        from transformers import WhisperModel

        super().__init__()
        self.weights = load_weights(WhisperModel, folder, attn_implementation="sdpa").encoder
        config = self.weights.config
        self.shape = StreamShape(layers=layer_count(config.encoder_layers, settings.layers), width=config.d_model)
        self._layers = settings.layers

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002 - windows are never padded
        """Encode to ``(U, 1500, D)`` or ``(U, 1500, L, D)``, the steps of the padding included."""
        return layers_of(self.weights(values, output_hidden_states=self._layers != "last"), self._layers)


class ImageNetwork(nn.Module):
    """CLIP's image tower with its projection: pixels ``(U, 3, H, W)`` uint8, one picture per unit."""

    def __init__(self, folder: Path) -> None:
        from transformers import CLIPVisionModelWithProjection

        super().__init__()
        self.weights = load_weights(CLIPVisionModelWithProjection, folder, attn_implementation="sdpa")
        self.shape = StreamShape(layers=None, width=self.weights.config.projection_dim)
        processor = image_processor(folder)
        self._factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
        scaling = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
        for name, figures in zip(("mean", "deviation"), scaling, strict=True):
            self.register_buffer(name, torch.tensor(figures).view(3, 1, 1), persistent=False)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:  # noqa: ARG002 - pictures are of one size
        """Encode to ``(U, 1, D)``."""
        pixels = (values.float() * self._factor - self.get_buffer("mean")) / self.get_buffer("deviation")
        embedded = cast(Tensor, self.weights(pixels).image_embeds)
        return embedded.unsqueeze(1)


def _shape(config: Any, settings: LayeredSettings) -> StreamShape:  # noqa: ANN401 - transformers' own class
    return StreamShape(layers=layer_count(config.num_hidden_layers, settings.layers), width=config.hidden_size)


def _present(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the mask of a batch padded along its second axis, ``(U, n)`` bool."""
    return torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)
