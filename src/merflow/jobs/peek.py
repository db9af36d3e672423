"""A figure of one utterance of a manifest, for people who want to look at a corpus before they trust it."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.progress import say
from merflow.corpus.manifest import Manifest, read_manifest, recording_of
from merflow.corpus.samples import RATE_HZ, read_samples
from merflow.errors import CorpusError, FeatureError
from merflow.features.media.contact_sheet import Pictures, Specimen, contact_sheet
from merflow.features.media.dialogue_video import VideoSpan, frame_times, read_dialogue, video_rate
from merflow.storage.local import output_errors, replacing

_MAX_FRAMES = 180


def peek(manifest: Path, *, utterance: str, out: Path) -> Path:
    """Draw an utterance's frames, waveform, log-mel spectrogram, transcripts and labels to ``out`` (PNG).

    If the corpus lacks a modality or it cannot be read, a sentence says so instead.

    Raises:
        CorpusError: The manifest cannot be read, or has no such utterance.
        OutputError: ``out`` cannot be written.
    """
    corpus = read_manifest(manifest)
    names = corpus.rows["utterance_id"]
    if utterance not in set(names):
        raise CorpusError(f"{manifest} has no utterance {utterance!r}; {_close(utterance, list(names))}")
    row = corpus.rows[names == utterance].iloc[0].to_dict()
    samples = _samples(corpus, row)
    figure = contact_sheet(
        Specimen(
            title=utterance,
            facts=_facts(row, samples),
            ratings={name: float(row[name]) for name in ("valence", "activation", "dominance") if _known(row[name])},
            samples=samples,
            pictures=_pictures(corpus, row),
            texts={
                word: str(row[column])
                for word, column in (("transcript", "transcript"), ("recognized", "asr_transcript"))
                if _known(row[column])
            },
        )
    )
    with replacing(out) as part, output_errors(out):
        figure.savefig(part, format="png", dpi=150)
    say(f"peek: {utterance} in {out}")
    return out


def _samples(manifest: Manifest, row: dict[str, Any]) -> np.ndarray | str:
    recording = recording_of(row, root=manifest.root)
    if recording is None:
        return _lacking(manifest, "audio_path", "recording")
    try:
        # Resampled regardless of corpus.resample, because no number is computed from the figure.
        return read_samples(recording, n_samples=None, resample=True)
    except CorpusError as error:
        return str(error)


def _pictures(manifest: Manifest, row: dict[str, Any]) -> Pictures | str:
    if not _known(row["video_path"]):
        return _lacking(manifest, "video_path", "video")
    path = manifest.root / str(row["video_path"])
    side = row["video_side"] if _known(row["video_side"]) else None
    start, end = _times(row)
    span = VideoSpan(str(row["utterance_id"]), side, start, end)
    try:
        ((_, frames),) = read_dialogue(path, [span], max_frames=_MAX_FRAMES, clip_s=None)
        if isinstance(frames, FeatureError):
            return str(frames)
        times = frame_times(span, rate=video_rate(path), max_frames=_MAX_FRAMES, clip_s=None)
    except FeatureError as error:
        return str(error)
    whose = "whole picture" if side is None else f"{side} half"
    caption = f"{whose} of {path.name}, {start:.2f} to {end:.2f} s, {len(frames)} frames"
    return Pictures(frames, times - start, caption)


def _facts(row: dict[str, Any], samples: np.ndarray | str) -> dict[str, str]:
    sound = "none shown" if isinstance(samples, str) else f"{len(samples) / RATE_HZ:.2f} s"
    if _known(row["rate_hz"]) and not isinstance(samples, str):
        sound += f" at {int(row['rate_hz']):,} Hz"
    scene = {True: "scripted", False: "improvised"}.get(row["scripted"], "") if _known(row["scripted"]) else ""
    turn = f"{row['dialogue_id']}, turn {int(row['turn_index'])}"
    gender = {"F": "female", "M": "male"}.get(str(row["gender"]), str(row["gender"])) if _known(row["gender"]) else ""
    return {
        **_label(row),
        "speaker": ", ".join(filter(None, (str(row["speaker"]), gender))),
        "dialogue": turn + (f" ({scene})" if scene else ""),
        "session": str(row["session"]),
        "in the dialogue": "{:.3f} to {:.3f} s".format(*_times(row)) if _known(row["end_s"]) else "no times",
        "recording": sound,
        "side of the picture": str(row["video_side"]) if _known(row["video_side"]) else "none",
        "corpus": str(row["corpus"]),
    }


def _label(row: dict[str, Any]) -> dict[str, str]:
    if _known(row["sentiment"]) and not _known(row["emotion_raw"]):
        return {"sentiment": f"{row['sentiment']:+.2f}"}
    raw = str(row["emotion_raw"]) if _known(row["emotion_raw"]) else "none"
    return {"emotion": f"{row['emotion'] if _known(row['emotion']) else 'outside the taxonomy'} (label {raw})"}


def _times(row: dict[str, Any]) -> tuple[float, float]:
    """Return start and end in the video; without times, the video contains only the utterance and is as long."""
    if _known(row["end_s"]):
        return float(row["start_s"]) if _known(row["start_s"]) else 0.0, float(row["end_s"])
    counted = _known(row["n_samples"]) and _known(row["rate_hz"])
    return 0.0, float(row["n_samples"]) / float(row["rate_hz"]) if counted else 0.0


def _lacking(manifest: Manifest, column: str, word: str) -> str:
    whole = manifest.rows[column].isna().all()
    return f"the corpus has no {word}" if whole else f"this utterance has no {word}"


def _close(utterance: str, names: list[str]) -> str:
    close = get_close_matches(utterance, names, n=3, cutoff=0.4)
    return f"did you mean {', '.join(close)}?" if close else f"its {len(names)} utterances begin with {names[0]}"


def _known(value: Any) -> bool:  # noqa: ANN401 - a cell of the manifest
    return not pd.isna(value) and str(value) != ""
