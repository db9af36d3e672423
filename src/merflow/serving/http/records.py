"""Requests of the HTTP interface and the answers that all tasks share, as ``/openapi.json`` describes them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A record of the interface. Unknown fields are ignored, as the protocols allow."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Refusal(Record):
    """A refused request: ``error`` is a sentence, ``reason`` a fixed word such as ``too-large``."""

    error: str
    reason: str


class ModelLimits(Record):
    """Limits of a request."""

    upload_mib: float
    clip_s: float
    recording_s: float
    clips: int
    text_chars: int


class ModelFacts(Record):
    """Facts about the served model. ``colours`` has the name of the page's colour for each class."""

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


class V1Request(Record):
    """Clips in the form of KServe's V1 protocol: ``{"instances": [{"audio": BASE64, "text": WORDS}]}``."""

    instances: list["str | V1Instance"] = Field(min_length=1)


class V1Instance(Record):
    """A clip. Sound and video are base64 or a data URI. In place of an object, a string means sound."""

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


class V1Models(Record):
    """Models on the server, in the V1 protocol."""

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
    """Name, type and shape of a tensor; -1 means any size."""

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
    """An output that the client requests."""

    name: str
    parameters: dict[str, Any] = {}


class V2Request(Record):
    """A request of the V2 protocol."""

    id: str | None = None
    parameters: dict[str, Any] = {}
    inputs: list[V2Input] = Field(min_length=1)
    outputs: list[V2Output] = []


class V2Tensor(Record):
    """An output tensor; its data follows the JSON part if ``parameters`` has ``binary_data_size``."""

    name: str
    datatype: Literal["BYTES", "FP32", "FP64", "BOOL"]
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
