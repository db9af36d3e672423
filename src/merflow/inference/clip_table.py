"""Clips and predictions as tables: the interface of a registered model.

Every column and every value is optional, as long as each row has an input that the model reads.

- ``audio``: path of a recording, its bytes (WAV, FLAC), or these bytes as ``data:audio/wav;base64,...``.
- ``video``: path of a video file of this clip alone.
- ``text``: the words.
- ``gender``: the speaker's gender, written as in the training corpus. It selects the threshold of the conformal set or
  the width of the interval.
- ``dialogue``: name of a dialogue; its rows are the turns in order, for models with dialogue context.
"""

import base64
import binascii
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from merflow.errors import FeatureError
from merflow.inference.answers import EmotionAnswers
from merflow.inference.ensemble import Ensemble
from merflow.inference.media_clips import Clip, Samples, VideoFile, dialogue

COLUMNS = ("audio", "video", "text", "gender", "dialogue")
EMOTION, SET, ABSTAINED = "emotion", "set", "abstained"
SCORE, LOW, HIGH = "score", "low", "high"
_DATA = "data:"


def probability_column(name: str) -> str:
    """Return the column of a class's probability."""
    return f"probability_{name}"


def predict_table(model: Ensemble, table: pd.DataFrame, *, calibrated: bool = True) -> pd.DataFrame:
    """Return one row per clip, with the answer and whether the model abstains.

    An emotion model gives the emotion, the probability of every class and the conformal set; a score model gives
    the score and the ends of its conformal interval.

    Args:
        model: The model.
        table: Clips with any of :data:`COLUMNS`; other columns are ignored.
        calibrated: False to return the probabilities before temperature scaling; sets are still computed after it.
            Scores are the same either way.

    Raises:
        FeatureError: There is no row, or a row has no input that the model reads, or an unreadable one.
    """
    raw = model.raw(clips_of(table, reach=model.reach))
    groups, answers = _texts(table, "gender"), model.answers
    if isinstance(answers, EmotionAnswers):
        return pd.DataFrame(_emotions(answers, raw, groups=groups, calibrated=calibrated), index=table.index)
    found = answers.intervals(raw, groups=groups)
    return pd.DataFrame(
        {
            SCORE: answers.calibrated(raw)[:, 0],
            LOW: found[:, 0],
            HIGH: found[:, 1],
            ABSTAINED: answers.abstained(found),
        },
        index=table.index,
    )


def _emotions(
    answers: EmotionAnswers, raw: np.ndarray, *, groups: Sequence[str | None], calibrated: bool
) -> dict[str, Any]:
    scaled = answers.calibrated(raw)
    inside = answers.sets(scaled, groups=groups)
    classes = np.array(answers.classes, dtype=object)
    shown = (scaled if calibrated else raw).astype(np.float64)
    return {
        EMOTION: classes[scaled.argmax(axis=1)],
        **{probability_column(name): shown[:, place] for place, name in enumerate(classes)},
        SET: [classes[row].tolist() for row in inside],
        ABSTAINED: inside.sum(axis=1) != 1,
    }


def clips_of(table: pd.DataFrame, *, reach: int) -> list[Clip]:
    """Return the clips of a table, each with up to ``reach`` turns of its dialogue on either side.

    Raises:
        FeatureError: A recording cannot be read, or a value has a wrong type.
    """
    audio, video, text, dialogues = (_column(table, name) for name in ("audio", "video", "text", "dialogue"))
    clips = [
        Clip(
            f"row {row}",
            audio=_audio(audio[row], row=row),
            video=None if video[row] is None else VideoFile(Path(str(video[row]))),
            text=None if text[row] is None else str(text[row]),
        )
        for row in range(len(table))
    ]
    for name in {value for value in dialogues if value is not None}:
        rows = [row for row, value in enumerate(dialogues) if value == name]
        for row, clip in zip(rows, dialogue([clips[row] for row in rows], reach=reach), strict=True):
            clips[row] = clip
    return clips


def _column(table: pd.DataFrame, name: str) -> list[Any]:
    """Return a column's values; None for missing or empty ones."""
    if name not in table.columns:
        return [None] * len(table)
    return [None if _is_missing(value) else value for value in table[name].tolist()]


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - any cell
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)) or value in ("", b"")


def _texts(table: pd.DataFrame, name: str) -> Sequence[str | None]:
    return [None if value is None else str(value) for value in _column(table, name)]


def _audio(value: Any, *, row: int) -> Path | Samples | None:  # noqa: ANN401 - any cell
    if value is None:
        return None
    if isinstance(value, bytes):
        return _decoded(value, row=row)
    if not isinstance(value, str | Path):
        raise FeatureError(f"row {row}: audio is {type(value).__name__}; pass a path, or the bytes of a WAV file")
    if not str(value).startswith(_DATA):
        return Path(value)
    try:
        return _decoded(base64.b64decode(str(value).partition(",")[2], validate=True), row=row)
    except binascii.Error as error:
        raise FeatureError(f"row {row}: audio is not base64 ({error}); write data:audio/wav;base64,...") from error


def _decoded(content: bytes, *, row: int) -> Samples:
    try:
        values, rate_hz = soundfile.read(BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise FeatureError(f"row {row}: audio is not a recording ({error}); pass the bytes of a WAV file") from error
    return Samples(values, int(rate_hz))
