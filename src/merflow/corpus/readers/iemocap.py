"""Reader of IEMOCAP releases.

Labels come only from the top level of ``SessionN/dialog/EmoEvaluation``; the raters' subfolders follow another label
policy. The manifest has all turns, labelled by a majority or not. The first letter of an id is the actor who wears the
face markers in that recording, and the last letter is the actor who speaks. A speaker is a session and the last letter.
The actor with the markers is in the left half of the picture.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.audio_header import read_headers
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.readers.iemocap_text import DIALOGUE_ID, UTTERANCE_ID, Turn, read_transcripts, read_turns
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.errors import CorpusError, LabelError

RELEASE = "IEMOCAP_full_release"

_SESSION = re.compile(r"Session(?P<digit>[1-5])")

_log = logging.getLogger(__name__)


def read_iemocap(root: Path, *, taxonomy: Taxonomy) -> Manifest:
    """Read a release into a manifest.

    A missing transcription, recording or video is not an error: its columns are null, and validation lists it. For a
    missing recording, ``audio_path`` stays, and ``n_samples`` and ``rate_hz`` are null. A release without any recording
    has no audio: ``audio_path`` is null, too.

    Args:
        root: The release folder, or the folder that contains ``IEMOCAP_full_release``.
        taxonomy: Turns the raw label into ``emotion``.

    Raises:
        CorpusError: The folder is not a release, a session or dialogue is empty, or a label file is malformed.
        LabelError: A label file contains an unknown code.
    """
    release = _find_release(root)
    rows = [
        row
        for session in _sessions(release)
        for path in _dialogue_files(session)
        for row in _dialogue_rows(path, session=session, release=release, taxonomy=taxonomy)
    ]
    if not any((release / row["audio_path"]).is_file() for row in rows):
        rows = [row | {"audio_path": None} for row in rows]
    recorded = [row for row in rows if row["audio_path"] is not None]
    headers = read_headers([release / row["audio_path"] for row in recorded])
    for row, header in zip(recorded, headers, strict=True):
        if header is not None:
            row.update(n_samples=header.n_samples, rate_hz=header.rate_hz)
    corpus = "synthetic" if (release / SYNTHETIC_MARK).is_file() else "iemocap"
    return build_manifest(rows, root=release, corpus=corpus, taxonomy=taxonomy)


def _find_release(root: Path) -> Path:
    if not root.is_dir():
        raise CorpusError(f"no such folder: {root}; pass the {RELEASE} folder with --root")
    for folder in (root, root / RELEASE):
        if folder.is_dir() and _sessions(folder):
            return folder.resolve()
    raise CorpusError(
        f"{root} is not an IEMOCAP release: it has no folder Session1 .. Session5; "
        f"pass the {RELEASE} folder, or the folder that contains it"
    )


def _sessions(release: Path) -> list[Path]:
    return sorted(path for path in release.glob("Session?") if _SESSION.fullmatch(path.name) and path.is_dir())


def _dialogue_files(session: Path) -> list[Path]:
    folder = session / "dialog" / "EmoEvaluation"
    if not folder.is_dir():
        raise CorpusError(
            f"{session} has no folder dialog/EmoEvaluation, where the labels are; "
            "copy the session again from the release, or remove it"
        )
    paths = []
    for path in sorted(folder.glob("*.txt")):
        if path.name.startswith("._"):  # macOS writes these beside files on other file systems
            continue
        match = DIALOGUE_ID.fullmatch(path.stem)
        if match is None:
            _log.warning("%s is not named after a dialogue; it is skipped", path)
        elif match["session"] != session.name[-1]:
            raise CorpusError(f"{path} belongs to Session{match['session']}; move it there")
        else:
            paths.append(path)
    if not paths:
        raise CorpusError(
            f"{folder} has no label file like Ses0{session.name[-1]}F_impro01.txt; copy the session again"
        )
    return paths


def _dialogue_rows(path: Path, *, session: Path, release: Path, taxonomy: Taxonomy) -> Iterator[dict[str, Any]]:
    dialogue = path.stem
    transcription = session / "dialog" / "transcriptions" / path.name
    transcripts = read_transcripts(transcription) if transcription.is_file() else {}
    video = session / "dialog" / "avi" / "DivX" / f"{dialogue}.avi"
    recordings = session / "sentences" / "wav" / dialogue
    for index, turn in enumerate(read_turns(path)):
        yield {
            **_identity(turn.utterance_id),
            "turn_index": index,
            "start_s": turn.start_s,
            "end_s": turn.end_s,
            "audio_path": (recordings / f"{turn.utterance_id}.wav").relative_to(release).as_posix(),
            "video_path": video.relative_to(release).as_posix() if video.is_file() else None,
            "transcript": transcripts.get(turn.utterance_id),
            "emotion_raw": turn.code,
            "emotion": _emotion(turn, path=path, taxonomy=taxonomy),
            "valence": turn.valence,
            "activation": turn.activation,
            "dominance": turn.dominance,
        }


def _identity(utterance_id: str) -> dict[str, Any]:
    match = UTTERANCE_ID.fullmatch(utterance_id)
    assert match is not None, utterance_id
    return {
        "utterance_id": utterance_id,
        "dialogue_id": match["dialogue"],
        "session": f"Session{match['session']}",
        "speaker": f"Ses0{match['session']}_{match['speaker']}",
        "gender": match["speaker"],
        "scripted": match["scenario"].startswith("script"),
        "video_side": "left" if match["speaker"] == match["wearer"] else "right",
    }


def _emotion(turn: Turn, *, path: Path, taxonomy: Taxonomy) -> str | None:
    try:
        return taxonomy.emotion_of(turn.code)
    except LabelError as error:
        raise LabelError(f"{path} line {turn.line} ({turn.utterance_id}): {error}") from error
