"""Generator of a release in the raw format of CMU-MOSEI from a seed."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.synthetic.files import APPLE_DOUBLE
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.corpus.synthetic.mosei_files import FRAME_RATE, HEIGHT, WIDTH, write_video_files
from merflow.corpus.synthetic.mosei_plan import Video, plan_videos
from merflow.corpus.synthetic.parallel import run_all
from merflow.corpus.synthetic.picture import require_video
from merflow.corpus.synthetic.sizes import MOSEI_SIZES
from merflow.corpus.synthetic.whole_release import checked_size, kept_or_written, processes

MOSEI_GENERATOR_VERSION = 1
"""Version of the generator; raise it if the same size and seed give other bytes than before."""

_README = f"""\
SYNTHETIC RELEASE

This folder has the format of the raw release of CMU-MOSEI and none of its content. Every file was made by a random
generator: nobody spoke these words or was filmed, and nobody rated them. Results on it say nothing about results on
speech.

What it is, and how to make it again: {SYNTHETIC_MARK}.
Left out: Raw/Videos/Segmented, Raw/Labels and everything else that merflow doesn't read.
"""
_MODES = {"train": "train", "dev": "valid", "test": "test"}
_FOLDERS = ("Transcript/Segmented/Combined", "Audio/Full/WAV_16000")
_VIDEOS = "Videos/Full/Combined"


def synthesize_mosei(
    out: Path,
    *,
    size: str,
    seed: int = 0,
    video: bool = False,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Path:
    """Generate a release, unless the same one is already there, and say what it holds.

    The bytes depend on size, seed and video alone. The folder appears whole or not at all.

    Args:
        out: Root of the release; must be absent, empty or the same release.
        size: ``tiny`` (13 labelled videos), ``small`` (64) or ``medium`` (240).
        seed: Any number from 0.
        video: If true, write ``Raw/Videos`` too, which needs the ``video`` extra.
        progress: Receives the stage ``videos``, those done and their total; None prints plain lines.
        workers: Processes; by default one per core, and a single one for ``tiny``.

    Returns:
        The root.

    Raises:
        CorpusError: The size is unknown or the seed is below 0.
        OutputError: The folder holds something else, is read-only, or the disk is full.
    """
    known = checked_size(size, MOSEI_SIZES, seed=seed, of="a synthetic CMU-MOSEI")
    picture = {"width": WIDTH, "height": HEIGHT, "frame_rate": str(FRAME_RATE)} if video else None
    identity = {"format": "CMU-MOSEI", "size": size, "seed": seed, "generator_version": MOSEI_GENERATOR_VERSION}
    identity |= {"video": picture}
    videos = plan_videos(known, seed)
    count = processes(size, workers)
    note = kept_or_written(
        out,
        identity,
        lambda part: _write(part, videos, seed=seed, film=video, workers=count, progress=progress or plain_lines()),
    )
    clips = sum(clip.sentiment is not None for each in videos for clip in each.clips)
    kind = f"{size} CMU-MOSEI{' with video' if video else ''}, seed {seed}"
    say(f"synthesize: {kind}, {len(videos)} videos, {clips} labelled clips in {out}{note}")
    return out


def _write(root: Path, videos: Sequence[Video], *, seed: int, film: bool, workers: int, progress: Progress) -> None:
    if film:
        require_video()
    raw = root / "Raw"
    for folder in (*_FOLDERS, _VIDEOS) if film else _FOLDERS:
        (raw / folder).mkdir(parents=True)
    (root / "README.txt").write_text(_README, encoding="ascii")
    (raw / _FOLDERS[0] / f"._{videos[0].name}.txt").write_bytes(APPLE_DOUBLE)
    _write_labels(root / "label.csv", videos)
    longest_first = sorted(videos, key=lambda each: -each.duration_s)
    calls = [partial(write_video_files, raw, each, seed=seed, film=film) for each in longest_first]
    run_all(calls, stage="videos", workers=workers, progress=progress)


def _write_labels(path: Path, videos: Sequence[Video]) -> None:
    rows = [
        [video.name, clip.number, clip.text, f"{clip.sentiment:.10g}", _word(clip.sentiment), _MODES[video.part]]
        for video in videos
        for clip in video.clips
        if clip.sentiment is not None and video.part is not None
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["video_id", "clip_id", "text", "label", "annotation", "mode"])
        table.writerows(rows)


def _word(sentiment: float) -> str:
    return "Neutral" if sentiment == 0 else "Positive" if sentiment > 0 else "Negative"
