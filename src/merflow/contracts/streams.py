"""Input streams of models: the vocabulary shared by models and features."""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["speech", "speech_layers", "video", "text", "text_layers", "context"]
Modality = Literal["audio", "video", "text"]
Transcript = Literal["truth", "asr"]
PretrainedEncoder = Literal[
    "wavlm-large", "wavlm-large-raw", "wavlm-base", "clip-vit-large", "roberta-base", "bert-base", "whisper-small.en"
]

# Part of a pretrained encoder that may learn, such as a speech encoder's convolutions or a text encoder's embeddings.
EncoderPart = Literal["convolutions", "embeddings", "transformer", "everything"]

ROLES: tuple[Role, ...] = get_args(Role)
PRETRAINED_ENCODERS: tuple[PretrainedEncoder, ...] = get_args(PretrainedEncoder)

MODALITY_OF: dict[Role, Modality] = {
    "speech": "audio",
    "speech_layers": "audio",
    "context": "audio",
    "video": "video",
    "text": "text",
    "text_layers": "text",
}


@dataclass(frozen=True)
class Stream:
    """One named input sequence of a model.

    Attributes:
        role: Role of the stream in the model; the encoder profile assigns an encoder to it.
        clip_s: Number of seconds of the recording to encode; None for the whole recording.
        skip_silence: If true, the clip starts where the voice starts, not at the first sample.
        pooled: If true, the store holds the mean over an utterance's steps, one step per utterance.
        neighbours: Number of turns before and after the utterance that are added to it, one step each. Needs
            ``pooled``.
        encoder: The pretrained encoder that the paper names, for profiles with several encoders of this role. A profile
            with one encoder of the role always uses that one.
        transcript: Words that a text stream reads: ``truth`` for the corpus's own transcript, ``asr`` for a speech
            recognizer's.
    """

    role: Role
    clip_s: float | None = None
    skip_silence: bool = False
    pooled: bool = False
    neighbours: int = 0
    encoder: PretrainedEncoder | None = None
    transcript: Transcript = "truth"

    def __post_init__(self) -> None:
        assert not self.neighbours or self.pooled, "neighbours need pooled steps"

    @property
    def slot(self) -> str:
        """Key under which a profile looks for the encoder first: ``role/encoder``, or the role alone."""
        return self.role if self.encoder is None else f"{self.role}/{self.encoder}"


@dataclass(frozen=True)
class StreamShape:
    """Sizes of a stored stream; ``layers`` is None if the role has no layer axis."""

    layers: int | None
    width: int
