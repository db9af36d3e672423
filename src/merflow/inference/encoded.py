"""A model behind its encoders: one module that is called on raw batches, and its file in the model folder.

``encoders.safetensors`` next to ``model.safetensors`` contains only the encoders' fine-tuned parameters. All other
parameters come from the encoders that the record names, with their revisions.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output, RawBatch
from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.presets import Profile, spec_of
from merflow.contracts.streams import EncoderPart, Role, StreamShape
from merflow.errors import ModelError
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.batches.standardize import Standardizer
from merflow.inference.encoders_in_graph import EncodersInGraph
from merflow.models import MODELS
from merflow.models.folder import load_model, load_weights, save_weights

ENCODERS = "encoders.safetensors"
_LEARNING = "learning"  # key of the file's metadata: role -> fine-tuned part of its encoder


class EncodedModel(nn.Module):
    """A model that encodes raw batches itself.

    The state dict holds the model and the encoders' parameters that learn. All other parameters stay equal to those in
    the encoders' folders, so checkpoints do not repeat them.
    """

    def __init__(self, encoders: EncodersInGraph, model: nn.Module) -> None:
        super().__init__()
        self.encoders = encoders
        self.model = model
        self.config = getattr(model, "config", None)
        self.register_state_dict_post_hook(_leave_out_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_expect_no_frozen)  # type: ignore[no-untyped-call]

    def forward(self, batch: RawBatch) -> Output:
        """Encode the batch and return the model's logits, embedding and losses."""
        output: Output = self.model(self.encoders(batch))
        return output

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the trainable parameters by group: ``model`` and ``encoders``, each with its own learning rate."""
        return {
            "model": [value for value in self.model.parameters() if value.requires_grad],
            "encoders": list(self.encoders.learning.values()),
        }


class EncodedSource:
    """Raw batches, encoded without gradients by fine-tuned encoders: a ``BatchSource`` for the model without encoders.

    Args:
        source: The inputs of the encoders.
        encoders: The encoders, on the device where the batches will be.
    """

    def __init__(self, source: RawDataset, encoders: EncodersInGraph) -> None:
        self._source = source
        self._encoders = encoders

    @property
    def lengths(self) -> np.ndarray:
        """``(len,)`` int64 steps of each utterance's longest stream."""
        return self._source.lengths

    @property
    def labels(self) -> np.ndarray | None:
        """``(len,)`` int64 class indices or float32 scores, or None if an utterance has no label."""
        return self._source.labels

    @property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Role -> layers and width."""
        return self._source.shapes

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the utterances with these indices, encoded."""
        device = next(self._encoders.buffers()).device
        with torch.no_grad():
            batch: Batch = self._encoders(self._source.batch(indices).to(device))
        return batch


def save_encoders(folder: Path, encoders: EncodersInGraph, *, record: FoldRecord) -> None:
    """Write the encoders' fine-tuned parameters into a model folder, atomically.

    Raises:
        OutputError: The folder cannot be written.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in encoders.learning.items()}
    metadata = {_LEARNING: json.dumps(dict(encoders.parts))}
    save_weights(folder / ENCODERS, weights, record=record, metadata=metadata)


def has_encoders(folder: Path) -> bool:
    """Return True if a model folder has fine-tuned encoders, so that the model is called on raw batches."""
    return (folder / ENCODERS).is_file()


def load_encoded(folder: Path, *, standardizer: Standardizer | None, profile: Profile) -> EncodedModel:
    """Load a model with its fine-tuned encoders, in evaluation mode on the CPU; weights equal the saved bits.

    Args:
        folder: A model folder with ``encoders.safetensors``.
        standardizer: The statistics that it was trained with; None if it reads unstandardized features.
        profile: The encoders that its record names, located (``features.encoders.huggingface.checkpoints.relocated``).

    Raises:
        ModelError: A file is missing or damaged, or belongs to another model or to other encoders.
        FeatureError: The encoders' weights cannot be read.
    """
    model, record = load_model(folder)
    if not has_encoders(folder):
        raise ModelError(
            f"no such file: {folder / ENCODERS}; the model's encoders did not learn, so load it without them"
        )
    weights, metadata = load_weights(folder / ENCODERS, record=record)
    learning: dict[Role, EncoderPart] = json.loads(metadata[_LEARNING])
    streams = MODELS[record.model].configure(record.config).streams()
    for stream in streams:
        expected, given = record.encoders[stream.role].spec, spec_of(stream, profile)
        if stream.role in learning and given.digest != expected.digest:
            raise ModelError(
                f"{folder / ENCODERS} fine-tunes {expected.citation} (files {expected.digest}), but {given.folder} "
                f"holds files {given.digest}; restore that folder, or train again"
            )
    encoders = EncodersInGraph(streams, profile=profile, learning=learning, standardizer=standardizer)
    learned = encoders.learning
    if {name: value.shape for name, value in learned.items()} != {name: value.shape for name, value in weights.items()}:
        raise ModelError(f"{folder / ENCODERS} does not fit the encoders that its record names; train the fold again")
    with torch.no_grad():
        for name, value in learned.items():
            value.copy_(weights[name])
    return EncodedModel(encoders, model).eval()


def _frozen(module: nn.Module) -> set[str]:
    assert isinstance(module, EncodedModel)
    names = {f"encoders.{name}" for name, _ in module.encoders.named_parameters()}
    return names - {f"encoders.{name}" for name in module.encoders.learning}


def _leave_out_frozen(module: nn.Module, state: dict[str, Any], prefix: str, _metadata: object) -> None:
    for name in _frozen(module):
        del state[prefix + name]


def _expect_no_frozen(module: nn.Module, keys: Any) -> None:  # noqa: ANN401 - torch's own private tuple
    frozen = _frozen(module)
    keys.missing_keys[:] = [name for name in keys.missing_keys if name not in frozen]
