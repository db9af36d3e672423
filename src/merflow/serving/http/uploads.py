"""Form uploads: ``/predict`` and ``/listen``."""

from starlette.datastructures import FormData, UploadFile

from merflow.serving.http.answering import ClipRequest
from merflow.serving.http.body import text_field, too_many_clips
from merflow.serving.http.refusals import RefusedRequestError
from merflow.serving.http.settings import Limits
from merflow.serving.predictor import ServedModel

_FIELDS = ("file", "text", "gender")
_NAME_CHARS = 120


async def clips_of(form: FormData, model: ServedModel, *, limits: Limits) -> list[ClipRequest]:
    """Return the clips of a form: its ``file`` fields, or only its ``text``.

    File names are only repeated in the answer. ``text`` and ``gender`` apply to every file.

    Raises:
        RefusedRequestError: The form has neither files nor text, too many files, or an unknown or invalid field.
    """
    if unknown := [name for name in form if name not in _FIELDS]:
        raise RefusedRequestError(
            "malformed", f"unknown field {unknown[0][:_NAME_CHARS]!r}; send {', '.join(_FIELDS[:-1])} or {_FIELDS[-1]}"
        )
    text = text_field(form, "text", limit=limits.text_chars)
    gender = text_field(form, "gender", limit=limits.text_chars)
    files = form.getlist("file")
    if len(files) > limits.clips:
        raise too_many_clips(limits)
    if not files and text is not None:
        return [ClipRequest("text", text=text, group=gender)]
    if not files:
        raise RefusedRequestError("malformed", "the form has no field 'file' and no 'text'; send at least one of them")
    looks = "video" in model.modalities
    clips = []
    for number, file in enumerate(files, start=1):
        if not isinstance(file, UploadFile):
            raise RefusedRequestError("malformed", "'file' must be a file, not text; in curl, write -F file=@clip.wav")
        content = await file.read()
        clips.append(
            ClipRequest(
                shown_name(file.filename) or f"file {number}",
                audio=None if looks else content,
                video=content if looks else None,
                text=text,
                group=gender,
            )
        )
    return clips


def shown_name(name: str | None) -> str:
    """Return the last part of a file's name in printable characters, only for the answer."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[:_NAME_CHARS]
