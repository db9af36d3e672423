"""What a model asks of the data, and what it gets: the words between models and features."""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["speech", "speech_layers", "video", "text", "text_layers", "context"]
Modality = Literal["audio", "video", "text"]
Transcript = Literal["truth", "asr"]
PretrainedEncoder = Literal[
    "wavlm-large", "wavlm-base", "clip-vit-large", "roberta-base", "bert-base", "whisper-small.en"
]

# What of a pretrained encoder may learn: WavLM's or Whisper's convolutions, a text's or picture's embeddings, ...
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
        role: What it is to the model; the profile says which encoder makes it.
        encoder: The pretrained encoder that the paper names, for profiles that hold several of a role; a profile that
            holds one gives that one.
        clip_s: Only this many seconds of the recording are encoded; None for all of it.
        skip_silence: The clip starts where the voice starts, not at the first sample.
        pooled: The store holds the mean over an utterance's steps, one step an utterance.
        neighbours: Turns before and after the utterance that join it, each one step (needs ``pooled``).
        transcript: Whose words a text stream reads: the corpus' own, or a speech recogniser's.
    """

    role: Role
    clip_s: float | None = None
    skip_silence: bool = False
    pooled: bool = False
    neighbours: int = 0
    encoder: PretrainedEncoder | None = None
    transcript: Transcript = "truth"

    def __post_init__(self) -> None:
        assert not self.neighbours or self.pooled, "neighbours join as pooled steps"

    @property
    def slot(self) -> str:
        """Where a profile looks first: ``role/encoder``, or the role alone."""
        return self.role if self.encoder is None else f"{self.role}/{self.encoder}"


@dataclass(frozen=True)
class StreamShape:
    """Sizes of a stored stream: ``layers`` is None where the role has no layer axis."""

    layers: int | None
    width: int
