"""KServe's V1 protocol: a list of clips in, a list of answers out, as JSON."""

from merflow.serving.http.answer_records import AnswerRecords
from merflow.serving.http.answering import ClipRequest, all_answered
from merflow.serving.http.batching import Answers
from merflow.serving.http.body import checked_text
from merflow.serving.http.clip_columns import media_bytes
from merflow.serving.http.records import Base64, Record, V1Instance, V1Request
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import Limits


def clips_of(request: V1Request, *, limits: Limits) -> list[ClipRequest]:
    """Return the clips of a request.

    Raises:
        RefusedRequestError: There are too many, or one is empty or malformed.
    """
    if len(request.instances) > limits.clips:
        raise RefusedRequestError(
            "too-large", f"the request has {len(request.instances)} clips; {limits.clips} are allowed per request"
        )
    return [_clip(row, instance, limits=limits) for row, instance in enumerate(request.instances)]


def _clip(row: int, instance: str | V1Instance, *, limits: Limits) -> ClipRequest:
    if isinstance(instance, str):
        instance = V1Instance(audio=instance)
    name = f"instance {row}"

    def media(value: str | Base64 | None, column: str) -> bytes | None:
        if value is None:
            return None
        return media_bytes(value.b64 if isinstance(value, Base64) else value, where=f"{name}: {column}")

    def words(value: str | None, column: str) -> str | None:
        return None if value is None else checked_text(value, name=f"{name}: {column}", limit=limits.text_chars)

    clip = ClipRequest(
        clip_id=name,
        audio=media(instance.audio, "audio"),
        video=media(instance.video, "video"),
        text=words(instance.text, "text"),
        group=words(instance.gender, "gender"),
        dialogue=words(instance.dialogue, "dialogue"),
    )
    if clip.audio is None and clip.video is None and clip.text is None:
        raise RefusedRequestError("malformed", f"{name} has no audio, video or text")
    return clip


def answer_of(answers: Answers, records: AnswerRecords) -> Record:
    """Return the answer in the records of the model's task.

    Raises:
        RefusedRequestError: A clip could not be read; the protocol cannot report one refused clip among others.
    """
    answer: Record = records.v1(predictions=[records.answer.of(each) for each in all_answered(answers)])
    return answer
