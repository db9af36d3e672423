"""Utterances of a corpus as clips, with the turns around them."""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

import pandas as pd

from merflow.contracts.streams import Transcript
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import Manifest, recording_of
from merflow.features.media.dialogue_video import Side
from merflow.inference.media_clips import Clip, VideoFile, dialogue


def clips_of(
    manifest: Manifest, utterance_ids: Collection[str], *, transcripts: Transcript | None, reach: int
) -> dict[str, Clip]:
    """Return the clips of these utterances by id.

    Args:
        manifest: The corpus.
        utterance_ids: The utterances.
        transcripts: Kind of transcripts that the clips have; None if there is none.
        reach: Number of turns to keep on either side of a clip.
    """
    rows = manifest.rows
    theirs = rows[rows["dialogue_id"].isin(set(rows.loc[rows["utterance_id"].isin(utterance_ids), "dialogue_id"]))]
    clips: dict[str, Clip] = {}
    for _, turns in theirs.groupby("dialogue_id"):
        ordered = turns.sort_values("turn_index").to_dict("records")
        made = [_clip(row, manifest, transcripts) for row in ordered]
        clips |= {clip.clip_id: clip for clip in dialogue(made, reach=reach)}
    return {name: clips[name] for name in utterance_ids}


def _clip(row: Mapping[Hashable, Any], manifest: Manifest, transcripts: Transcript | None) -> Clip:
    video = row["video_path"]
    text = None if transcripts is None else row[TRANSCRIPT_COLUMNS[transcripts]]
    return Clip(
        str(row["utterance_id"]),
        audio=recording_of(row, root=manifest.root),
        video=_video(row, manifest) if _is_given(video) else None,
        text=str(text) if _is_given(text) else None,
    )


def _video(row: Mapping[Hashable, Any], manifest: Manifest) -> VideoFile:
    start_s, end_s = (None if pd.isna(row[name]) else float(row[name]) for name in ("start_s", "end_s"))
    side: Side | None = row["video_side"] if _is_given(row["video_side"]) else None
    return VideoFile(manifest.root / row["video_path"], start_s or 0.0, end_s, side)


def _is_given(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
