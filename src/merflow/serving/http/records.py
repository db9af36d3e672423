"""Requests and answers of the HTTP interface, as its description (``/openapi.json``) shows them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from merflow.serving.listen_page.palette import colours
from merflow.serving.predictor import ClipPrediction, RefusedClip, ServedModel


class Record(BaseModel):
    """A record of the interface; it may hold names that merflow does not know, as the protocols allow."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Refusal(Record):
    """A request that is not answered."""

    error: str
    reason: str


class Answer(Record):
    """The answer to one clip. ``error`` is null unless the clip could not be read, and then all else is empty."""

    clip: str
    emotion: str | None = None
    probabilities: dict[str, float] = {}
    possible: list[str] = []
    sure: bool = False
    modalities: list[str] = []
    warnings: list[str] = []
    duration_s: float | None = None
    error: str | None = None

    @classmethod
    def of(cls, answer: ClipPrediction | RefusedClip) -> "Answer":
        """Return the record of an answer of the model."""
        if isinstance(answer, RefusedClip):
            return cls(clip=answer.clip_id, error=answer.reason)
        return cls(
            clip=answer.clip_id,
            emotion=answer.emotion,
            probabilities=dict(answer.probabilities),
            possible=list(answer.possible),
            sure=answer.sure,
            modalities=list(answer.modalities),
            warnings=list(answer.warnings),
            duration_s=answer.duration_s,
        )


class Answered(Record):
    """Answers to uploaded clips, in their order."""

    model: str
    version: str
    predictions: list[Answer]


class Segment(Record):
    """A part of a recording and the model's answer to it."""

    start_s: float
    end_s: float
    answer: Answer


class Listened(Record):
    """A recording: the answer to the whole if it is short enough, to its parts, and the shape of its sound.

    ``envelope`` is the loudest sample, 0 to 1, of equal parts of the recording.
    """

    model: str
    version: str
    duration_s: float
    whole: Answer | None
    segments: list[Segment]
    envelope: list[float]


class ModelLimits(Record):
    """Limits of a request."""

    upload_mib: float
    clip_s: float
    recording_s: float
    clips: int
    text_chars: int


class ModelFacts(Record):
    """Facts about the model that is served. ``colours`` are names of the page's colours, one per class."""

    name: str
    version: str
    title: str
    classes: list[str]
    colours: dict[str, str]
    modalities: list[str]
    calibrated: bool
    abstains: bool
    remark: str
    has_card: bool
    keeps_requests: bool
    limits: ModelLimits

    @classmethod
    def of(cls, model: ServedModel, *, name: str, keeps_requests: bool, limits: ModelLimits) -> "ModelFacts":
        """Return the facts of a model."""
        return cls(
            name=name,
            version=model.version,
            title=model.title,
            classes=list(model.classes),
            colours={name: colours(model.classes)[name] for name in model.classes},
            modalities=list(model.modalities),
            calibrated=model.calibrated,
            abstains=model.abstains,
            remark=model.remark,
            has_card=model.card is not None,
            keeps_requests=keeps_requests,
            limits=limits,
        )


class V1Request(Record):
    """Clips in the form of KServe's V1 protocol: ``{"instances": [{"audio": BASE64, "text": WORDS}]}``."""

    instances: list["str | V1Instance"] = Field(min_length=1)


class V1Instance(Record):
    """A clip: base64 or a data URI for sound and video. A string alone is sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audio: "str | Base64 | None" = None
    video: "str | Base64 | None" = None
    text: str | None = None
    gender: str | None = None
    dialogue: str | None = None


class Base64(Record):
    """Bytes as TensorFlow Serving writes them: ``{"b64": BASE64}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    b64: str


class V1Answer(Record):
    """Answers in the form of the V1 protocol."""

    predictions: list[Answer]


class V1Models(Record):
    """Models of the server in the V1 protocol."""

    models: list[str]


class V1Status(Record):
    """State of a model in the V1 protocol."""

    name: str
    ready: bool


class ServerMetadata(Record):
    """Facts about the server in the V2 protocol."""

    name: str
    version: str
    extensions: list[str]


class Live(Record):
    """Liveness in the V2 protocol."""

    live: bool


class Ready(Record):
    """Readiness in the V2 protocol."""

    ready: bool


class ModelReady(Record):
    """Readiness of a model in the V2 protocol."""

    name: str
    ready: bool


class TensorMetadata(Record):
    """Name, type and shape of a tensor; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class ModelMetadata(Record):
    """Facts about a model in the V2 protocol."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class V2Input(Record):
    """An input tensor: ``audio``, ``video``, ``text``, ``gender`` or ``dialogue``, BYTES of shape [N] or [N, 1]."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[str | list[str]] | None = None


class V2Output(Record):
    """An output that the client asks for."""

    name: str
    parameters: dict[str, Any] = {}


class V2Request(Record):
    """A request of the V2 protocol."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[V2Input] = Field(min_length=1)
    outputs: list[V2Output] = []


class V2Tensor(Record):
    """An output tensor; its data stand behind the JSON part if ``parameters`` has ``binary_data_size``."""

    name: str
    datatype: Literal["BYTES", "FP64", "BOOL"]
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class V2Answer(Record):
    """An answer of the V2 protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[V2Tensor]
