"""Answered requests, kept in a folder with ``--keep``; without it, nothing in a request is stored."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from merflow.serving.http.answer_records import AnswerRecords
from merflow.serving.http.answering import ClipRequest
from merflow.serving.http.batching import Answers
from merflow.storage.local import replacing, write_json


def keep(folder: Path, asked: Sequence[ClipRequest], answers: Answers, records: AnswerRecords) -> Path:
    """Write a folder with a request's unchanged media and ``answers.json``; return its path.

    No name from the request becomes part of a path.

    Raises:
        OutputError: The folder cannot be written.
    """
    now = datetime.now(UTC)
    target = folder / now.strftime("%Y-%m-%d") / f"{now:%H%M%S}-{uuid.uuid4().hex[:12]}"
    target.mkdir(parents=True)
    rows = []
    for number, (clip, answer) in enumerate(zip(asked, answers, strict=True), start=1):
        for kind, content in (("audio", clip.audio), ("video", clip.video)):
            if content is not None:
                with replacing(target / f"{number:03}.{kind}") as part:
                    part.write_bytes(content)
        rows.append({"text": clip.text, "gender": clip.group, **records.answer.of(answer).model_dump(mode="json")})
    write_json(target / "answers.json", {"time": now.isoformat(), "answers": rows})
    return target
