"""Lists of clips: files, folders of files, tables, or one clip on standard input."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from merflow.errors import ServingError
from merflow.inference.clip_table import COLUMNS

STANDARD_INPUT = Path("-")
# Files in a folder are tried if they have one of these extensions; a file that is named explicitly is always tried.
_ENDINGS = (
    "3gp aac ac3 aif aiff amr ape asf au avi caf dv f4v flac flv m4a m4v mka mkv mov mp2 mp3 mp4 mpeg mpg mts mxf oga "
    "ogg ogv opus spx tak ts tta voc w64 wav webm wma wmv wv"
)
_MEDIA = frozenset(f".{ending}" for ending in _ENDINGS.split())
_TABLES = (".csv", ".parquet")
_NAMES = ("clip", "utterance_id")  # columns that name a row, if there are any


@dataclass(frozen=True)
class ListedClip:
    """A clip that has not been opened yet.

    Attributes:
        name: Its path, or its name in the table.
        media: A file with audio, with or without video, or the bytes of one; None without audio.
        video: A separate video file; None to use the video in ``media``, if any.
        text: The words; None if they are unknown.
        group: The speaker's group for the conformal sets, such as the gender; None if it is unknown.
        dialogue: Name of the dialogue, whose turns are in the order of the list; None for a single clip.
    """

    name: str
    media: Path | bytes | None = None
    video: Path | None = None
    text: str | None = None
    group: str | None = None
    dialogue: str | None = None

    @property
    def digest(self) -> str:
        """Digest of the clip's contents; empty if a file cannot be read."""
        summary = hashlib.sha256()
        try:
            for source in (self.media, self.video):
                content = b"" if source is None else _sha256(source)
                summary.update(len(content).to_bytes(2) + content)
        except OSError:
            return ""
        for word in (self.text, self.group):
            summary.update(b"\0" if word is None else f"\1{word}\0".encode())
        return summary.hexdigest()


@dataclass(frozen=True)
class ClipList:
    """Clips in order.

    Attributes:
        clips: The clips.
        ignored: Files in the folders that are not media, judging by their names.
    """

    clips: tuple[ListedClip, ...]
    ignored: int


def list_clips(paths: Sequence[Path], *, standard_input: bytes | None = None, table_on_input: bool = False) -> ClipList:
    """List the clips in files, folders and tables.

    Folders are searched recursively; hidden files are skipped. CSV and Parquet files are tables with any of the columns
    of :mod:`merflow.inference.clip_table`; their paths are relative to the table.

    Args:
        paths: Files, folders and tables; ``-`` for standard input.
        standard_input: The bytes from standard input; None if it is not read.
        table_on_input: True if standard input is a CSV table, not a recording.

    Raises:
        ServingError: A path does not exist, a table is malformed, or there is no clip.
    """
    clips: list[ListedClip] = []
    ignored = 0
    for path in paths:
        if path == STANDARD_INPUT:
            assert standard_input is not None
            named = "standard input"
            clips += (
                _rows(standard_input, named, root=Path())
                if table_on_input
                else [ListedClip(named, media=standard_input)]
            )
        elif path.is_dir():
            files = [each for each in sorted(path.rglob("*")) if each.is_file() and not _is_hidden(each, below=path)]
            media = [each for each in files if each.suffix.lower() in _MEDIA]
            ignored += len(files) - len(media)
            clips += [ListedClip(str(each), media=each) for each in media]
        elif not path.exists():
            raise ServingError(f"no such file or folder: {path}; name recordings, videos, folders of them, or a table")
        elif path.suffix.lower() in _TABLES:
            clips += _rows(path.read_bytes(), str(path), root=path.parent)
        else:
            clips.append(ListedClip(str(path), media=path))
    if not clips:
        raise ServingError(
            f"no recording or video in {', '.join(map(str, paths))}; name a file itself if its name has another ending"
        )
    return ClipList(tuple(clips), ignored)


def with_settings(clips: ClipList, *, text: str | None, group: str | None) -> ClipList:
    """Return the list with these words for its only clip, and this group for every clip without one.

    Raises:
        ServingError: Words are given for several clips.
    """
    if text is not None and len(clips.clips) != 1:
        raise ServingError(
            f"--text gives the words of one clip, but there are {len(clips.clips)}; put the words into a table, in a "
            "column text"
        )
    return replace(
        clips,
        clips=tuple(replace(each, text=text or each.text, group=each.group or group) for each in clips.clips),
    )


def _sha256(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _is_hidden(path: Path, *, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _rows(content: bytes, where: str, *, root: Path) -> Iterator[ListedClip]:
    """Yield the clips of a table."""
    table = _read(content, where)
    if not set(COLUMNS[:3]) & set(table.columns):
        raise ServingError(
            f"{where} has the columns {', '.join(map(str, table.columns))}; it needs one of {', '.join(COLUMNS[:3])}"
        )
    named = next((column for column in _NAMES if column in table.columns), None)
    for number, row in enumerate(table.to_dict("records"), start=1):
        given = {str(name): value for name, value in row.items() if not _is_missing(value)}
        audio, video = given.get("audio"), given.get("video")
        name = str(given.get(named or "audio", "")) if not isinstance(given.get(named or "audio"), bytes) else ""
        yield ListedClip(
            name or f"{where} row {number}",
            media=audio if audio is None or isinstance(audio, bytes) else root / str(audio),
            video=None if video is None else root / str(video),
            text=None if "text" not in given else str(given["text"]),
            group=None if "gender" not in given else str(given["gender"]),
            dialogue=None if "dialogue" not in given else f"{where} {given['dialogue']}",
        )


def _read(content: bytes, where: str) -> pd.DataFrame:
    try:
        if content[:4] == b"PAR1":
            return pd.read_parquet(BytesIO(content))
        return pd.read_csv(BytesIO(content), dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise ServingError(f"{where} is not a table: {str(error).splitlines()[0]}; write CSV or Parquet") from error


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - any cell
    return value is None or value is pd.NA or value != value or value in ("", b"")
