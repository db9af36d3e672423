"""The Open Inference Protocol (KServe V2): tensors in, tensors out.

Inputs are BYTES columns (:mod:`merflow.serving.http.clip_columns`) of shape [N] or [N, 1], one element per clip; an
empty element means that the input is missing. Outputs have one row per clip.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from merflow.serving.http.answering import ClipRequest, all_answered
from merflow.serving.http.batching import Answers
from merflow.serving.http.binary_tensors import read_elements, write_elements, write_numbers
from merflow.serving.http.body import checked_text
from merflow.serving.http.clip_columns import COLUMNS, MEDIA, check_columns, media_bytes, word
from merflow.serving.http.output_tensors import OutputTensor, outputs_of
from merflow.serving.http.records import (
    ModelMetadata,
    TensorMetadata,
    V2Answer,
    V2Input,
    V2Request,
    V2Tensor,
)
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import Limits
from merflow.serving.predictor import ServedModel

PLATFORM = "merflow"
_BINARY_SIZE = "binary_data_size"


def metadata_of(model: ServedModel, *, name: str) -> ModelMetadata:
    """Return the protocol's metadata for a model."""
    reads = [column for column in COLUMNS if column in ("gender", "dialogue") or column in model.modalities]
    return ModelMetadata(
        name=name,
        versions=[model.version],
        platform=PLATFORM,
        inputs=[TensorMetadata(name=column, datatype="BYTES", shape=[-1]) for column in reads],
        outputs=[
            TensorMetadata(name=output, datatype=tensor.datatype, shape=tensor.shape(-1), parameters=tensor.parameters)
            for output, tensor in outputs_of(model).items()
        ],
    )


def clips_of(request: V2Request, tensors: bytes, *, model: ServedModel, limits: Limits) -> list[ClipRequest]:
    """Return the clips of a request.

    Args:
        request: The JSON part.
        tensors: The bytes that follow it.
        model: The model, whose outputs it may ask for.
        limits: Limits of a request.

    Raises:
        RefusedRequestError: A tensor is unknown, named twice, or its type, shape or data are wrong; or a clip is empty.
    """
    _check_outputs(request, known=outputs_of(model))
    columns: dict[str, list[str | bytes]] = {}
    at = 0
    for tensor in request.inputs:
        count = _checked_count(tensor, known=columns, clips=limits.clips)
        if _BINARY_SIZE in tensor.parameters:
            content = _slice(tensor, tensors, at=at)
            at += len(content)
            columns[tensor.name] = list(read_elements(content, name=tensor.name, count=count))
        else:
            columns[tensor.name] = list(_json_elements(tensor, count=count))
    if at != len(tensors):
        raise RefusedRequestError("malformed", f"{len(tensors) - at} bytes follow the last tensor")
    count = check_columns(columns, clips=limits.clips)
    return [_clip(row, {name: values[row] for name, values in columns.items()}, limits=limits) for row in range(count)]


def _check_outputs(request: V2Request, *, known: Collection[str]) -> None:
    names = [output.name for output in request.outputs]
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        raise RefusedRequestError(
            "malformed", f"outputs are {', '.join(known)}, each at most once; the request asks for {names!r:.200}"
        )


def _checked_count(tensor: V2Input, *, known: Mapping[str, object], clips: int) -> int:
    """Return the number of elements according to the shape."""
    name = tensor.name
    if name not in COLUMNS:
        raise RefusedRequestError("malformed", f"no input is named {name!r:.60}; the inputs are {', '.join(COLUMNS)}")
    if name in known:
        raise RefusedRequestError("malformed", f"input {name!r} is given twice")
    if tensor.datatype != "BYTES":
        raise RefusedRequestError("malformed", f"input {name!r} is {tensor.datatype!r:.20}; it must be BYTES")
    if tensor.shape[0] < 1 or tensor.shape[1:] not in ([], [1]):
        raise RefusedRequestError(
            "malformed", f"input {name!r} has shape {tensor.shape!r:.60}; it must be [N] or [N, 1]"
        )
    if tensor.shape[0] > clips:
        raise RefusedRequestError("too-large", f"input {name!r} has more than {clips} clips, which is the limit")
    return tensor.shape[0]


def _slice(tensor: V2Input, tensors: bytes, *, at: int) -> bytes:
    size = tensor.parameters[_BINARY_SIZE]
    if tensor.data is not None:
        raise RefusedRequestError("malformed", f"input {tensor.name!r} has both data and {_BINARY_SIZE}")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tensors) - at:
        raise RefusedRequestError(
            "malformed", f"input {tensor.name!r}: {_BINARY_SIZE} is {size!r:.40}; {len(tensors) - at} bytes are left"
        )
    return tensors[at : at + size]


def _json_elements(tensor: V2Input, *, count: int) -> Sequence[str]:
    if tensor.data is None:
        raise RefusedRequestError("malformed", f"input {tensor.name!r} has neither data nor {_BINARY_SIZE}")
    elements = [each for row in tensor.data for each in ([row] if isinstance(row, str) else row)]
    if len(elements) != count:
        raise RefusedRequestError(
            "malformed", f"input {tensor.name!r} has {len(elements)} elements; its shape says {count}"
        )
    return elements


def _clip(row: int, values: Mapping[str, str | bytes], *, limits: Limits) -> ClipRequest:
    name = f"clip {row}"

    def words(column: str) -> str | None:
        where = f"{name}: {column}"
        return checked_text(word(values.get(column, ""), where=where), name=where, limit=limits.text_chars)

    audio, video = (media_bytes(values.get(column, ""), where=f"{name}: {column}") for column in MEDIA)
    clip = ClipRequest(
        name, audio=audio, video=video, text=words("text"), group=words("gender"), dialogue=words("dialogue")
    )
    if clip.audio is None and clip.video is None and clip.text is None:
        raise RefusedRequestError("malformed", f"{name} has no audio, video or text")
    return clip


def answer_of(answers: Answers, request: V2Request, *, model: ServedModel, name: str) -> tuple[V2Answer, bytes]:
    """Return the JSON part of the answer and the tensors that follow it.

    Raises:
        RefusedRequestError: A clip could not be read; the protocol cannot report one refused clip among others.
    """
    rows = all_answered(answers)
    known = outputs_of(model)
    asked = {output.name: output.parameters for output in request.outputs} or {output: {} for output in known}
    every_binary = request.parameters.get("binary_data_output") is True
    tensors, parts = [], []
    for output, parameters in asked.items():
        tensor = known[output]
        values, facts = tensor.values(rows), tensor.parameters
        binary = parameters.get("binary_data", every_binary) is True
        if binary:
            parts.append(_binary(values, tensor))
            facts[_BINARY_SIZE] = len(parts[-1])
        tensors.append(
            V2Tensor(
                name=output,
                datatype=tensor.datatype,
                shape=tensor.shape(len(rows)),
                parameters=facts,
                data=None if binary else values,
            )
        )
    answer = V2Answer(model_name=name, model_version=model.version, id=request.id, outputs=tensors)
    return answer, b"".join(parts)


def _binary(values: Sequence[Any], tensor: OutputTensor) -> bytes:
    if tensor.datatype == "BYTES":
        return write_elements(values)
    return write_numbers(values, datatype=tensor.datatype)
