"""Settings that a profile gives a pretrained encoder."""

from typing import Literal

from merflow.contracts.strict import Strict

Dtype = Literal["float32", "bfloat16", "float16"]
Layers = Literal["last", "all", "transformer"]
Pooling = Literal["mean", "class", "pooler"]


class CheckpointSettings(Strict):
    """A checkpoint and the precision that it is computed in.

    Attributes:
        model: A hub id such as ``microsoft/wavlm-large``; a folder as an absolute path or one that starts with ``./``
            or ``~``; or ``${encoders}/name`` for a folder in ``features.encoders_folder``.
        dtype: Precision of matrix products on a GPU, by autocast; the weights stay float32. A CPU computes in float32.
        compile: True to compile the transformer layers with torch.compile, which pays off on long runs.
        allow_unpinned: True to allow a branch or tag as ``revision``. The store's key records the commit that it
            points to at that time.
    """

    model: str
    dtype: Dtype = "float32"
    compile: bool = False
    allow_unpinned: bool = False


class LayeredSettings(CheckpointSettings):
    """A checkpoint whose layers can be used one by one.

    Attributes:
        layers: ``last`` for the last hidden state only; ``transformer`` for layers 1 to L; ``all`` for layers
            1 to L after the input of layer 1 (WavLM's projected convolution output with positions, the text encoders'
            embeddings). The last layer is the last hidden state in every case, after the final normalization if there
            is one.
    """

    layers: Layers


class SpeechSettings(LayeredSettings):
    """A speech encoder.

    Attributes:
        raw_waveform: True to leave samples as they are, even if the checkpoint's preprocessor scales them.
    """

    raw_waveform: bool = False


class PictureSettings(CheckpointSettings):
    """A checkpoint that yields one vector per picture.

    Attributes:
        pooling: ``mean`` of the last hidden state's steps, its ``class`` token (the first step), or the model's own
            ``pooler``.
    """

    pooling: Pooling = "mean"
