"""What a profile may say about a pretrained encoder."""

from typing import Literal

from merflow.contracts.strict import Strict

Dtype = Literal["float32", "bfloat16", "float16"]
Layers = Literal["last", "all", "transformer"]


class CheckpointSettings(Strict):
    """Weights, and the precision that they are computed in.

    Attributes:
        model: A hub id such as ``microsoft/wavlm-large``; a folder as an absolute path or one that starts with ``./``
            or ``~``; or ``${encoders}/name`` for a folder in ``features.encoders_folder``.
        dtype: Precision of matrix products on a GPU (autocast, the weights stay float32); a CPU computes in float32.
        compile: Whether torch.compile translates the transformer layers first, which pays on long runs.
        allow_unpinned: Whether ``revision`` may be a branch or tag. The commit that it stands for at that time is what
            the store's key records.
    """

    model: str
    dtype: Dtype
    compile: bool = False
    allow_unpinned: bool = False


class LayeredSettings(CheckpointSettings):
    """An encoder whose layers can be had one by one.

    Attributes:
        layers: ``last`` hidden state alone; ``transformer`` layers 1 to L; ``all`` of those after what enters the
            first of them (WavLM's projected convolution output with positions, the text encoders' embeddings). The
            last layer is the last hidden state in every case, after the final normalisation where there is one.
    """

    layers: Layers
