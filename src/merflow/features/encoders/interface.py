"""The interface of an encoder: a half that prepares one input, and a half that encodes a batch of prepared inputs."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from merflow.contracts.streams import StreamShape


class Prepared(NamedTuple):
    """One input, ready to be encoded: decoded, cut, resampled, tokenized and normalized.

    Reader processes send it to the process that encodes.

    Attributes:
        values: NumPy arrays, or a dict or tuple of them; cheap to pickle.
        cost: Cost of the input in a batch, at least 1, in the encoder's own unit (frames, tokens, images). Inputs of
            equal cost form a batch without padding.
    """

    values: Any
    cost: int


class Preparer(Protocol):
    """The half of an encoder that runs in worker processes, without weights and without torch."""

    def prepare(self, source: Any) -> Prepared:  # noqa: ANN401 - samples, text or frames
        """Do all the work on one input that needs neither other inputs nor an accelerator.

        Args:
            source: Samples ``(n,)`` float32 at 16 kHz, cut as the stream says; a text; or frames ``(F, H, W, 3)``
                uint8.

        Raises:
            FeatureError: The input cannot be encoded. Extraction then quarantines the utterance with this reason.
        """
        ...


class Encoder(Preparer, Protocol):
    """A whole encoder, with its weights on its device: it turns prepared inputs into arrays."""

    @property
    def shape(self) -> StreamShape:
        """Layers and width of every array."""
        ...

    def encode(self, batch: Sequence[Prepared]) -> list[np.ndarray]:
        """Return ``(T, D)`` or ``(T, L, D)`` float32 for each input, in order.

        The inputs of a batch have similar but not equal costs. Padding is masked, so the other inputs of a batch never
        change a result.

        Raises:
            FeatureError: An input cannot be encoded. Extraction then splits the batch to find it.
        """
        ...
