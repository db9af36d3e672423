"""Rows of a table become clips, for every form of recordings and missing values."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.errors import FeatureError
from merflow.inference.clip_table import clips_of
from merflow.inference.media_clips import Samples, VideoFile


def wav(*, rate_hz: int = 8000) -> bytes:
    content = BytesIO()
    soundfile.write(content, np.linspace(-0.5, 0.5, 100), rate_hz, format="WAV", subtype="PCM_16")
    return content.getvalue()


def test_a_recording_may_be_a_path_bytes_or_a_data_uri(tmp_path: Path) -> None:
    uri = f"data:audio/wav;base64,{base64.b64encode(wav()).decode()}"
    path, content, encoded = clips_of(pd.DataFrame({"audio": [str(tmp_path / "a.wav"), wav(), uri]}), reach=0)
    assert path.audio == tmp_path / "a.wav"
    for clip in (content, encoded):
        assert isinstance(clip.audio, Samples)
        assert (clip.audio.values.shape, clip.audio.rate_hz) == ((100, 1), 8000)
    assert [clip.clip_id for clip in (path, content)] == ["row 0", "row 1"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_every_form_of_a_missing_value_is_missing(missing: object) -> None:
    table = pd.DataFrame({"audio": ["a.wav"], "video": [missing], "text": [missing], "dialogue": [missing]})
    (clip,) = clips_of(table.astype(object), reach=2)
    assert (clip.video, clip.text, clip.before) == (None, None, ())


def test_columns_may_be_missing_and_others_are_ignored() -> None:
    (clip,) = clips_of(pd.DataFrame({"video": ["a.mp4"], "speaker": ["Jo"]}), reach=0)
    assert (clip.audio, clip.video, clip.text) == (None, VideoFile(Path("a.mp4")), None)


def test_rows_of_a_dialogue_are_its_turns_in_order() -> None:
    table = pd.DataFrame({"text": list("abcde"), "dialogue": ["one", "two", "one", None, "one"]})
    clips = clips_of(table, reach=1)
    turns = [[turn.text for turn in (*clip.before, *clip.after) if turn is not None] for clip in clips]
    assert turns == [["c"], [], ["a", "e"], [], ["c"]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"no sound", r"row 0: audio is not a recording"),
        ("data:audio/wav;base64,%%%", r"row 0: audio is not base64"),
        (7, r"row 0: audio is int; pass a path"),
    ],
)
def test_an_unreadable_recording_is_named_by_its_row(value: object, message: str) -> None:
    with pytest.raises(FeatureError, match=message):
        clips_of(pd.DataFrame({"audio": [value]}), reach=0)
