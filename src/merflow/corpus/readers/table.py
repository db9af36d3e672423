"""Reader of a CSV file of utterances, for any corpus that needs no reader of its own.

Required columns: utterance_id, speaker, session, emotion, and audio_path or transcript. An empty cell is null; a
modality that the corpus lacks is null throughout. Paths are relative to the file.
"""

import csv as comma_separated
import logging
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.audio_header import read_headers
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.readers.csv_records import PARTS, Record, listed, read_records
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.errors import CorpusError, LabelError
from merflow.storage.fingerprints import files_fingerprint

REQUIRED = ("utterance_id", "speaker", "session", "emotion")
CONTENT = ("audio_path", "transcript")  # at least one of them
OPTIONAL = (
    "dialogue_id",
    "turn_index",
    "gender",
    "scripted",
    "start_s",
    "end_s",
    "video_path",
    "video_side",
    "asr_transcript",
    "valence",
    "activation",
    "dominance",
    "official_split",
)

_GENDERS = {"f": "F", "female": "F", "m": "M", "male": "M"}  # other words are null
_SIDES = {"left": "left", "right": "right"}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TURN_DIGITS = 9  # what 32 bits hold

_log = logging.getLogger(__name__)


def read_utterance_table(csv: Path, *, taxonomy: Taxonomy) -> Manifest:
    """Read a CSV file into a manifest.

    ``dialogue_id`` defaults to the utterance's own id. Without ``turn_index``, the turns of a dialogue are counted by
    start time, or in the order of the file if a start is unknown. A missing or unreadable recording leaves
    ``n_samples`` and ``rate_hz`` null, and validation lists it. A video that shows two people side by side needs
    ``video_side``, left or right.

    Args:
        csv: UTF-8, comma-separated, with a header line.
        taxonomy: Turns the raw label into ``emotion``; a row with an empty emotion stays unlabelled.

    Raises:
        CorpusError: The file is missing, empty or not UTF-8, a required column or cell is missing, an id repeats, or a
            cell does not parse. The message lists all wrong rows.
        LabelError: An emotion is not a known label, and no row before it is wrong in another way.
    """
    columns, records = read_records(csv)
    _check_columns(columns, path=csv)
    rows = _rows(records, taxonomy=taxonomy)
    _number_turns(records, rows)
    _measure(rows, root=csv.resolve().parent)
    corpus = "synthetic-table" if (csv.resolve().parent / SYNTHETIC_MARK).is_file() else "table"
    return build_manifest(rows, root=csv.resolve().parent, corpus=corpus, taxonomy=taxonomy)


def table_fingerprint(csv: Path) -> str:
    """Return 16 hexadecimal digits over the file's text, and over the sizes and times of the files that it names."""
    with csv.open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = comma_separated.DictReader(lines)
        columns = [name for name in rows.fieldnames or () if name.endswith("_path")]
        named = {csv.parent / row[name] for row in rows for name in columns if row[name]}
    return files_fingerprint(named, content=csv.read_bytes())


def _check_columns(columns: Sequence[str], *, path: Path) -> None:
    missing = [f"{name!r}{_suggestion(name, columns)}" for name in REQUIRED if name not in columns]
    if not any(name in columns for name in CONTENT):
        missing.append(f"'audio_path' or 'transcript'{_suggestion('audio_path', columns)}")
    if missing:
        required = "required column" if len(missing) == 1 else "required columns"
        raise CorpusError(f"{path} lacks the {required} {', '.join(missing)}; its header is {','.join(columns)}")
    ignored = [name for name in columns if name not in (*REQUIRED, *CONTENT, *OPTIONAL)]
    if ignored:
        _log.info("%s: columns %s are not used", path, ", ".join(ignored))


def _suggestion(name: str, columns: Sequence[str]) -> str:
    close = get_close_matches(name, columns, n=1)
    return f" ({close[0]!r} may be a misspelling)" if close else ""


def _rows(records: Sequence[Record], *, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Return the records as manifest rows; report the problems of all rows at once, and equal problems as one."""
    rows: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    problems: dict[str, list[Record]] = {}
    kind: type[CorpusError | LabelError] = CorpusError
    for record in records:
        try:
            _check_id(record, lines)
            rows.append(_row(record, taxonomy=taxonomy))
        except (CorpusError, LabelError) as error:
            kind = kind if problems else type(error)
            problems.setdefault(str(error).removeprefix(f"{record.where}: "), []).append(record)
    if problems:
        raise kind(listed(problems, rows=len(records)))
    return rows


def _check_id(record: Record, lines: dict[str, int]) -> None:
    for column in ("utterance_id", "speaker", "session"):
        if column not in record.cells:
            raise CorpusError(f"{record.where}: {column} is empty; every utterance needs one")
    first = lines.setdefault(record.cells["utterance_id"], record.line)
    if first != record.line:
        raise CorpusError(f"{record.where}: the id is also in line {first}; rename or remove one")


def _row(record: Record, *, taxonomy: Taxonomy) -> dict[str, Any]:
    cells = record.cells
    return {
        "utterance_id": cells["utterance_id"],
        "dialogue_id": cells.get("dialogue_id", cells["utterance_id"]),
        "session": cells["session"],
        "speaker": cells["speaker"],
        "gender": _GENDERS.get(cells.get("gender", "").lower()),
        "scripted": record.choice("scripted", _TRUTHS),
        "start_s": record.number("start_s"),
        "end_s": record.number("end_s"),
        "audio_path": _relative(record, "audio_path"),
        "video_path": _relative(record, "video_path"),
        "video_side": record.choice("video_side", _SIDES),
        "transcript": " ".join(cells["transcript"].split()) if "transcript" in cells else None,
        "asr_transcript": cells.get("asr_transcript"),
        "emotion_raw": cells.get("emotion"),
        "emotion": _emotion(record, taxonomy=taxonomy),
        "valence": record.number("valence"),
        "activation": record.number("activation"),
        "dominance": record.number("dominance"),
        "official_split": record.choice("official_split", PARTS),
    }


def _emotion(record: Record, *, taxonomy: Taxonomy) -> str | None:
    if "emotion" not in record.cells:
        return None
    try:
        return taxonomy.emotion_of(record.cells["emotion"])
    except LabelError as error:
        raise LabelError(f"{record.where}: {error}") from error


def _relative(record: Record, column: str) -> str | None:
    if column not in record.cells:
        return None
    path = Path(record.cells[column])
    if not path.is_absolute():
        return path.as_posix()
    root = record.path.resolve().parent
    if not path.is_relative_to(root):
        raise CorpusError(f"{record.where}: {column} {path} is outside {root}; write paths relative to the file")
    return path.relative_to(root).as_posix()


def _number_turns(records: Sequence[Record], rows: Sequence[dict[str, Any]]) -> None:
    if any("turn_index" in record.cells for record in records):
        _check_turns(records, rows)
        return
    dialogues: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        dialogues.setdefault(row["dialogue_id"], []).append(row)
    for turns in dialogues.values():
        if all(row["start_s"] is not None for row in turns):
            turns.sort(key=lambda row: row["start_s"])
        for index, row in enumerate(turns):
            row["turn_index"] = index


def _check_turns(records: Sequence[Record], rows: Sequence[dict[str, Any]]) -> None:
    lines: dict[tuple[str, int], int] = {}
    for record, row in zip(records, rows, strict=True):
        text = record.cells.get("turn_index", "")
        if not text.isdecimal() or len(text) > _TURN_DIGITS:
            raise CorpusError(f"{record.where}: turn_index {text!r} is not a turn number; give all rows one, or none")
        row["turn_index"] = int(text)
        first = lines.setdefault((row["dialogue_id"], int(text)), record.line)
        if first != record.line:
            raise CorpusError(
                f"{record.where}: turn {text} of dialogue {row['dialogue_id']} is also in line {first}; renumber one"
            )


def _measure(rows: Sequence[dict[str, Any]], *, root: Path) -> None:
    recorded = [row for row in rows if row["audio_path"] is not None]
    headers = read_headers([root / row["audio_path"] for row in recorded])
    for row, header in zip(recorded, headers, strict=True):
        if header is not None:
            row.update(n_samples=header.n_samples, rate_hz=header.rate_hz)
