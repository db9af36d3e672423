"""Reader of CMU-MOSEI's raw release: one person per video talks to the camera, cut into clips with a sentiment.

The release cuts the clips out of its videos itself, but many of those files do not play. Utterances are therefore parts
of the full videos and recordings, from the times in the segmented transcripts. The release does not say who speaks in a
video: each video counts as a speaker of its own, although some people may appear in several. The sentiments and the
official split come from a table next to the folder ``Raw``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merflow.contracts.progress import say
from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.audio_header import AudioHeader, read_headers
from merflow.corpus.manifest import Manifest, build_manifest
from merflow.corpus.readers.mosei_text import LABELS, Clip, Label, read_clips, read_labels
from merflow.corpus.samples import Excerpt
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.corpus.transcript import folded_words
from merflow.errors import CorpusError

TRANSCRIPTS = Path("Raw/Transcript/Segmented/Combined")
RECORDINGS = Path("Raw/Audio/Full/WAV_16000")
VIDEOS = Path("Raw/Videos/Full/Combined")

_SESSION = "mosei"  # the corpus has no sessions
# Times may lie outside a recording by at most this much; they are moved to its edge.
_SLACK_S = 1.0


@dataclass(frozen=True)
class _Media:
    """The release's recordings and videos.

    Attributes:
        heard: True if it has any recording.
        seen: True if it has any video.
        headers: Header of each video's recording; None if that is missing or unreadable.
    """

    heard: bool
    seen: bool
    headers: dict[str, AudioHeader | None]


def read_mosei(root: Path, *, taxonomy: Taxonomy) -> Manifest:
    """Read the raw release into a manifest.

    The manifest has every clip in the transcripts of the videos that have a labelled clip. Clips without a label have
    no sentiment. A labelled clip without a line in the transcripts has no times, so it has no recording and no video
    either. A missing recording or video is not an error: its path stays, and validation lists it. A release without any
    recording has no audio, and one without any video has no video.

    Args:
        root: The folder with ``Raw`` and the table of labels in it.
        taxonomy: Taxonomy of the manifest; no utterance has an emotion.

    Raises:
        CorpusError: The folder is not a release, or the table of labels is missing or malformed.
    """
    if not (root / TRANSCRIPTS).is_dir():
        raise CorpusError(
            f"{root} is not a CMU-MOSEI release: it has no folder {TRANSCRIPTS}; pass the folder that contains Raw"
        )
    labels: dict[str, dict[int, Label]] = {}
    for label in read_labels(root / LABELS):
        labels.setdefault(label.video, {})[label.clip] = label
    videos = sorted(labels)
    media = _media(root, videos)
    spoken = {video: _clips(root, video) for video in videos}
    placed = {video: [_within(clip, media.headers[video]) for clip in clips] for video, clips in spoken.items()}
    rows = [row for video in videos for row in _video_rows(video, placed[video], labels[video], media)]
    _report(
        rows,
        moved=sum(clip not in spoken[video] for video, clips in placed.items() for clip in clips),
        skipped=len({path.stem for path in _transcripts(root)} - labels.keys()),
        reworded=sum(_is_reworded(clip, labels[video]) for video, clips in spoken.items() for clip in clips),
    )
    corpus = "synthetic-mosei" if (root / SYNTHETIC_MARK).is_file() else "mosei"
    return build_manifest(rows, root=root, corpus=corpus, taxonomy=taxonomy)


def _transcripts(root: Path) -> list[Path]:
    paths = (root / TRANSCRIPTS).glob("*.txt")
    return [path for path in paths if not path.name.startswith("._")]  # macOS writes these beside files


def _clips(root: Path, video: str) -> list[Clip]:
    """Return the clips of a video by time; none if it has no transcript."""
    transcript = root / TRANSCRIPTS / f"{video}.txt"
    clips = read_clips(transcript) if transcript.is_file() else []
    return sorted(clips, key=lambda clip: (clip.start_s, clip.end_s, clip.number))


def _is_reworded(clip: Clip, labels: dict[int, Label]) -> bool:
    """Return True if the label of a clip has other words than its transcript, whatever their case and punctuation."""
    label = labels.get(clip.number)
    if label is None or not label.text or not clip.text:
        return False
    return folded_words(label.text) != folded_words(clip.text)


def _media(root: Path, videos: Sequence[str]) -> _Media:
    recordings = [root / _recording(video) for video in videos]
    return _Media(
        heard=any(path.is_file() for path in recordings),
        seen=any((root / _video(video)).is_file() for video in videos),
        headers=dict(zip(videos, read_headers(recordings), strict=True)),
    )


def _recording(video: str) -> Path:
    return RECORDINGS / f"{video}.wav"


def _video(video: str) -> Path:
    return VIDEOS / f"{video}.mp4"


def _within(clip: Clip, header: AudioHeader | None) -> Clip:
    """Return a clip whose times are moved to the edge of its recording if they lie a little outside."""
    if -_SLACK_S <= clip.start_s < 0:
        clip = replace(clip, start_s=0.0)
    if header is not None and 0 < clip.end_s - header.duration_s <= _SLACK_S:
        clip = replace(clip, end_s=header.duration_s)
    return clip


def _video_rows(video: str, clips: Sequence[Clip], labels: dict[int, Label], media: _Media) -> Iterator[dict[str, Any]]:
    """Yield the rows of a video: its clips by time, then labelled clips without times."""
    timed = {clip.number for clip in clips}
    untimed = [label for number, label in sorted(labels.items()) if number not in timed]
    rows = [
        *(_timed_row(video, clip, labels.get(clip.number), media) for clip in clips),
        *(_row(video, label.clip, label, text=label.text) for label in untimed),
    ]
    yield from (row | {"turn_index": index} for index, row in enumerate(rows))


def _row(video: str, clip: int, label: Label | None, *, text: str | None) -> dict[str, Any]:
    return {
        "utterance_id": f"{video}_{clip}",
        "dialogue_id": video,
        "session": _SESSION,
        "speaker": video,
        "transcript": text,
        "official_split": label and label.part,
        "sentiment": label and label.sentiment,
    }


def _timed_row(video: str, clip: Clip, label: Label | None, media: _Media) -> dict[str, Any]:
    row = _row(video, clip.number, label, text=clip.text or (label.text if label else None) or "")
    row |= {"start_s": clip.start_s, "end_s": clip.end_s}
    if media.seen:
        row["video_path"] = _video(video).as_posix()
    if media.heard:
        path, header = _recording(video), media.headers[video]
        row |= {"audio_path": path.as_posix(), "audio_of_dialogue": True}
        if header is not None:
            part = Excerpt(path, clip.start_s, clip.end_s).samples(rate_hz=header.rate_hz, of=header.n_samples)
            row |= {"n_samples": len(part), "rate_hz": header.rate_hz}
    return row


def _report(rows: Sequence[dict[str, Any]], *, moved: int, skipped: int, reworded: int) -> None:
    """Report the differences between the manifest and the release."""
    if skipped:
        say(f"index: {skipped} videos with a transcript have no labelled clip; they are left out")
    if unlabelled := sum(row["sentiment"] is None for row in rows):
        say(f"index: {unlabelled} of {len(rows)} clips have no label; they stay as turns around the labelled ones")
    if moved:
        say(f"index: {moved} clips began or ended up to {_SLACK_S:g} s outside their recording; their times are moved")
    if reworded:
        say(
            f"index: {reworded} clips have other words in {LABELS} than in the transcripts, which count; if they are "
            "many, the two may number the clips differently"
        )
