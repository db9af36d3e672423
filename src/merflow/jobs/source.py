"""Where a benchmark's utterances come from; a synthetic corpus is generated when it is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.errors import CorpusError, nearest
from merflow.jobs.index import READERS
from merflow.runs.workspace import Workspace

Size = Literal["tiny", "small", "full"]
SIZES: tuple[Size, ...] = get_args(Size)


@dataclass(frozen=True)
class Source:
    """Where the utterances come from.

    Attributes:
        corpus: ``iemocap``, ``table`` or ``synthetic``.
        root: Release folder or CSV; None for ``synthetic``, which is generated in the workspace.
        size: Of the synthetic release.
    """

    corpus: str
    root: Path | None = None
    size: str = "small"

    def check(self) -> None:
        """Refuses what cannot be found, before anything is made.

        Raises:
            CorpusError: The corpus kind or the size is unknown, or the root is missing.
        """
        if self.corpus not in READERS:
            raise CorpusError(f"unknown corpus {self.corpus!r}; {nearest(self.corpus, READERS)}")
        if self.root is None and self.corpus != "synthetic":
            raise CorpusError(f"corpus {self.corpus!r} needs --root: its release folder, or the CSV of a table")
        if self.root is not None and not self.root.exists():
            raise CorpusError(
                f"no such file or folder: {self.root}; pass a release folder, or the CSV of a table, with --root"
            )
        if self.root is None:
            _known_size(self.size)

    def place(self, workspace: Workspace, *, video: bool, progress: Progress | None = None) -> Path:
        """The corpus' root, generated first if it is synthetic.

        Args:
            workspace: Where a synthetic release is kept, with video beside the one without.
            video: Whether a synthetic release is drawn with video.
            progress: Told of the drawing.

        Raises:
            CorpusError: As :meth:`check`.
            OutputError: The synthetic release cannot be written.
        """
        self.check()
        name = f"{self.size}-video" if video else self.size
        return self.root or synthetic_release(workspace.corpus / name, size=self.size, video=video, progress=progress)


def synthetic_release(
    out: Path, *, size: str, seed: int = 0, video: bool = False, progress: Progress | None = None
) -> Path:
    """A generated release folder; one that is already whole is kept.

    Raises:
        CorpusError: The size is unknown.
        OutputError: ``out`` holds something else or cannot be written.
    """
    from merflow.corpus.synthetic.release import synthesize

    there = out.is_dir() and any(out.iterdir())
    release = synthesize(out, size=_known_size(size), seed=seed, video=video, progress=progress or plain_lines())
    dialogues = list(release.glob("Session*/sentences/wav/Ses*"))
    turns = sum(1 for folder in dialogues for _ in folder.glob("Ses*.wav"))
    kind = f"{size} release{' with video' if video else ''}, seed {seed}"
    say(f"synthesize: {kind}, {len(dialogues)} dialogues, {turns} turns in {out}{', there already' if there else ''}")
    return release


def _known_size(size: str) -> Size:
    if size not in SIZES:
        raise CorpusError(f"unknown size {size!r} of a synthetic release; {nearest(size, SIZES)}")
    return size
