"""Tables and folders become lists of clips; a clip's digest follows all that it is made of."""

import io
from pathlib import Path

import pandas as pd
import pytest

from merflow.errors import ServingError
from merflow.serving.clip_list import ListedClip, list_clips, with_settings
from merflow.serving.opened_clips import OpenedClips


def test_a_table_names_rows_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(
        "clip,audio,video,text,gender,dialogue\none,a.wav,b.mp4,hi,F,d\n,,,only words,,\n", encoding="utf-8"
    )
    first, second = list_clips([table]).clips
    assert first == ListedClip("one", tmp_path / "a.wav", tmp_path / "b.mp4", "hi", "F", f"{table} d")
    assert second == ListedClip(f"{table} row 2", text="only words")


def test_parquet_may_hold_recordings_themselves(tmp_path: Path) -> None:
    table = tmp_path / "clips.parquet"
    pd.DataFrame({"audio": [b"RIFF", None], "text": [None, "hi"]}).to_parquet(table)
    first, second = list_clips([table]).clips
    assert (first.media, first.name) == (b"RIFF", f"{table} row 1")
    assert (second.media, second.text) == (None, "hi")


def test_folders_are_searched_for_media(tmp_path: Path) -> None:
    for name in ("b.WAV", "a/c.mp4", "a/notes.txt", ".trash/d.wav", "a/._e.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found = list_clips([tmp_path])
    assert [clip.name.removeprefix(f"{tmp_path}/") for clip in found.clips] == ["a/c.mp4", "b.WAV"]
    assert found.ignored == 1


def test_the_digest_follows_files_words_and_group(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    clips = [ListedClip("a", path), ListedClip("b", path), ListedClip("a", path, text="hi"), ListedClip("a", b"y")]
    clips += [ListedClip("a", path, group="hi"), ListedClip("a", video=path)]
    first, second, *others = [clip.digest for clip in clips]
    assert first == second, "the name plays no part"
    assert len({first, *others}) == 5
    assert ListedClip("a", tmp_path / "nowhere.wav").digest == ""
    path.write_bytes(b"z")
    assert clips[0].digest != first


def test_settings_are_for_clips_that_lack_them() -> None:
    table = io.BytesIO(b"text,gender\nhi,F\nho,\n").getvalue()
    listed = list_clips([Path("-")], standard_input=table, table_on_input=True)
    assert [clip.group for clip in with_settings(listed, text=None, group="M").clips] == ["F", "M"]
    with pytest.raises(ServingError, match="the words of one clip, but there are 2"):
        with_settings(listed, text="hi", group=None)


@pytest.mark.parametrize("content", [b"PAR1 no table", b"\xff\xfe\x00"])
def test_what_is_not_a_table_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(content)
    with pytest.raises(ServingError, match=r"clips\.csv"):
        list_clips([path])


def test_clips_have_the_turns_of_their_dialogue_around_them(tmp_path: Path) -> None:
    listed = [ListedClip(name, text=name, dialogue=None if name == "x" else "d") for name in "abxcde"]
    opened = OpenedClips(listed, reach=2, limit_s=60, folder=tmp_path, transcribe=None)
    clips = opened.open([0, 2, 3])
    turns = [
        [turn.text for turn in (*clip.before, *clip.after) if turn is not None]
        for clip in clips
        if not isinstance(clip, str)
    ]
    assert turns == [["b", "c"], [], ["a", "b", "d", "e"]]
