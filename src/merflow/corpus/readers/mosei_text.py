"""Text files of CMU-MOSEI: the table of labels, and the segmented transcripts with the times of the clips."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.protocols import Part
from merflow.corpus.readers.csv_records import PARTS, Record, listed, read_records
from merflow.corpus.readers.text_lines import read_lines
from merflow.errors import CorpusError

LABELS = "label.csv"

_KEY = ("video_id", "clip_id")
_REQUIRED = (*_KEY, "label", "mode")  # `text` fills in for a missing transcript; other columns are not read
_SEPARATOR = "___"
_MOST_DIGITS = 9
_FORM = "video___clip___start___end___text"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Label:
    """One row of the table of labels.

    Attributes:
        video: Name of the video.
        clip: Number of the clip in its video.
        sentiment: Mean of the raters, as written; None if it is not known.
        part: Part of the official split; None if the row is in none.
        text: Words of the clip; None if the table has none.
    """

    video: str
    clip: int
    sentiment: float | None
    part: Part | None
    text: str | None


@dataclass(frozen=True)
class Clip:
    """One line of a transcript: the number of the clip, its times in the video, and its words."""

    number: int
    start_s: float
    end_s: float
    text: str


def read_labels(path: Path) -> list[Label]:
    """Read the table of labels.

    Raises:
        CorpusError: The table is missing or malformed, a column or cell is missing, a number or part cannot be read, or
            a clip is listed twice. The message lists all wrong rows.
    """
    if not path.is_file():
        raise CorpusError(
            f"no such file: {path}; the raw release has no table of labels, so write one with the columns "
            f"{', '.join(_REQUIRED)}"
        )
    columns, records = read_records(path, key=_KEY)
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise CorpusError(f"{path} lacks the columns {', '.join(missing)}; its header is {','.join(columns)}")
    labels: dict[tuple[str, int], tuple[Label, Record]] = {}
    problems: dict[str, list[Record]] = {}
    for record in records:
        try:
            label = _label(record)
            _, first = labels.setdefault((label.video, label.clip), (label, record))
            if first is not record:
                raise CorpusError(f"{record.where}: the clip is also in line {first.line}; remove one")
        except CorpusError as error:
            problems.setdefault(str(error).removeprefix(f"{record.where}: "), []).append(record)
    if problems:
        raise CorpusError(listed(problems, rows=len(records)))
    return [label for label, _ in labels.values()]


def read_clips(path: Path) -> list[Clip]:
    """Read the transcript of a video, in the order of the file; lines of another form are skipped with a warning.

    Raises:
        CorpusError: The file cannot be read.
    """
    clips = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        clip = _clip(line.split(_SEPARATOR, 4), video=path.stem)
        if clip is None:
            _log.warning(
                "%s line %d is not of the form %s; it is skipped: %r",
                path,
                number,
                _FORM.replace("video", path.stem),
                line[:80],
            )
        else:
            clips.append(clip)
    return clips


def _label(record: Record) -> Label:
    for column in _KEY:
        if column not in record.cells:
            raise CorpusError(f"{record.where}: {column} is empty; every label needs its clip")
    video, clip = record.cells["video_id"], record.cells["clip_id"]
    if not video.isprintable() or any(one in video for one in "/\\"):  # it names files of the release
        raise CorpusError(f"{record.where}: video_id {video!r} is not the name of a video; correct it")
    if not _is_clip_number(clip):
        raise CorpusError(f"{record.where}: clip_id {clip!r} is not the number of a clip; correct it")
    return Label(
        video=video,
        clip=int(clip),
        sentiment=record.number("label"),
        part=record.choice("mode", PARTS),
        text=record.cells.get("text"),
    )


def _is_clip_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _clip(cells: Sequence[str], *, video: str) -> Clip | None:
    if len(cells) != 5 or cells[0].strip() != video or not _is_clip_number(cells[1].strip()):
        return None
    try:
        start_s, end_s = float(cells[2]), float(cells[3])
    except ValueError:
        return None
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        return None
    return Clip(int(cells[1]), start_s, end_s, " ".join(cells[4].split()))
