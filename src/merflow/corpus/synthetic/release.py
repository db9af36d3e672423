"""Generator of a release in the format of IEMOCAP from a seed."""

from functools import partial
from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.synthetic.dialogue_files import write_dialogue
from merflow.corpus.synthetic.files import APPLE_DOUBLE
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from merflow.corpus.synthetic.parallel import run_all
from merflow.corpus.synthetic.picture import FORMATS, HEIGHT, WIDTH, Format, require_video
from merflow.corpus.synthetic.plan import plan
from merflow.corpus.synthetic.sizes import SIZES, Size
from merflow.corpus.synthetic.voice import RATE_HZ
from merflow.corpus.synthetic.whole_release import checked_size, kept_or_written, processes

GENERATOR_VERSION = 2
"""Version of the generator; raise it if the same size and seed give other bytes than before."""

_README = f"""\
SYNTHETIC RELEASE

This folder has the format of the IEMOCAP release and none of its content. Every file was made by a random generator:
nobody spoke these words, and no actor felt these emotions. Results on it say nothing about results on speech.

What it is, and how to make it again: {SYNTHETIC_MARK}.
Left out: MOCAP_rotated, MOCAP_head and MOCAP_hand. Videos of sizes demo and small have ten frames a second,
those of size full five and 8 kHz sound.
"""
_STRAY = {1: (".DS_Store",), 2: (".DS_Store", "desktop.ini"), 4: (".DS_Store",)}


def synthesize(
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
        size: ``tiny`` (70 turns), ``demo`` (about 450), ``small`` (about 900) or ``full`` (10,039 turns with the real
            release's counts).
        seed: Any number from 0.
        video: If true, write ``dialog/avi/DivX`` too, which needs the ``video`` extra.
        progress: Receives the stage ``dialogues``, those done and their total; None prints plain lines.
        workers: Processes; by default one per core, and a single one for ``tiny``.

    Returns:
        The root.

    Raises:
        CorpusError: The size is unknown or the seed is below 0.
        OutputError: The folder holds something else, is read-only, or the disk is full.
    """
    known = checked_size(size, SIZES, seed=seed, of="a synthetic release")
    layout = FORMATS[known] if video else None
    count = processes(size, workers)
    note = kept_or_written(
        out,
        _identity(known, seed, layout),
        lambda part: _write(part, known, seed=seed, layout=layout, progress=progress or plain_lines(), workers=count),
    )
    dialogues = list(out.glob("Session*/sentences/wav/Ses*"))
    turns = sum(1 for folder in dialogues for _ in folder.glob("Ses*.wav"))
    kind = f"{size} release{' with video' if video else ''}, seed {seed}"
    say(f"synthesize: {kind}, {len(dialogues)} dialogues, {turns} turns in {out}{note}")
    return out


def _write(root: Path, size: Size, *, seed: int, layout: Format | None, progress: Progress, workers: int) -> None:
    if layout:
        require_video()
    (root / "README.txt").write_text(_README, encoding="ascii")
    _write_documentation(root)
    longest_first = sorted(plan(size, seed), key=lambda dialogue: -dialogue.duration_s)
    calls = [partial(write_dialogue, root, dialogue, seed=seed, layout=layout) for dialogue in longest_first]
    run_all(calls, stage="dialogues", workers=workers, progress=progress)


def _identity(size: Size, seed: int, layout: Format | None) -> dict[str, object]:
    picture = None
    if layout:
        audio_rate_hz = RATE_HZ // layout.decimation
        picture = {
            "width": WIDTH,
            "height": HEIGHT,
            "frame_rate": str(layout.frame_rate),
            "audio_rate_hz": audio_rate_hz,
        }
    return {"size": size, "seed": seed, "generator_version": GENERATOR_VERSION, "video": picture}


def _write_documentation(root: Path) -> None:
    folder = root / "Documentation"
    folder.mkdir()
    (folder / "phonemes.txt").write_text("HH\nAH\n", encoding="ascii")
    (folder / "timeinfo.txt").write_text("All times are in seconds from the start of the dialogue.\n", encoding="ascii")
    for session, names in _STRAY.items():
        stray = root / f"Session{session}" / "sentences" / "wav"
        stray.mkdir(parents=True)
        for name in names:
            (stray / name).write_bytes(APPLE_DOUBLE[:64])
