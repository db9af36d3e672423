"""The description of one kind of corpus."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from merflow.contracts.progress import Progress
from merflow.contracts.protocols import PROTOCOLS, ProtocolChoice
from merflow.contracts.protocols import Protocol as SplitProtocol
from merflow.contracts.task import TaskName
from merflow.contracts.taxonomy import Taxonomy
from merflow.storage.fingerprints import folder_fingerprint

if TYPE_CHECKING:
    from merflow.corpus.manifest import Manifest
    from merflow.corpus.validation.known_counts import KnownRelease


class Read(Protocol):
    """The function that reads a corpus."""

    def __call__(self, root: Path, *, taxonomy: Taxonomy) -> "Manifest":
        """Return the manifest of the corpus at ``root``, with ``emotion`` from the taxonomy."""
        ...


class Generate(Protocol):
    """The function that makes a corpus that can be generated."""

    def __call__(self, out: Path, *, size: str, video: bool, seed: int = 0, progress: Progress | None = None) -> Path:
        """Generate the corpus in ``out`` unless it is already there, and return its root."""
        ...


@dataclass(frozen=True)
class Reader:
    """One kind of corpus.

    Attributes:
        read: Reads the corpus into a manifest.
        root: Description of the path that ``--root`` takes, with its article.
        licence: The terms of its recordings in a sentence, for the card of a model trained on them.
        task: The usual task of the corpus, for ``splits.task: auto``.
        protocols: The split protocols that suit the corpus.
        protocol: The usual one of them, for ``splits.protocol: auto``. It is ``auto`` itself if it depends on the
            sessions, speakers and parts in the corpus (:func:`merflow.corpus.splitting.protocols.usual_protocol`).
        fingerprint: Returns a digest of the corpus's files, which changes when one of them does. It is cheap, and it
            shows a pipeline when to index the corpus again.
        generate: Makes the corpus if no root is given; None for a corpus that has to be on disk.
        sizes: The sizes in which it can be generated.
        known_release: Returns the known counts of the corpus; None if nothing is known in advance.
        profile: The encoder profile that reads the features that came with the corpus; None if none did.
        notes: Returns facts about the corpus's files that validation reports, one line each.
        published: True if the papers' numbers were measured on this corpus, with the emotions of its taxonomy.
    """

    read: Read
    root: str
    licence: str = "Unknown to merflow; ask whoever recorded the utterances."
    task: TaskName = "emotion"
    protocols: tuple[SplitProtocol, ...] = PROTOCOLS
    protocol: ProtocolChoice = "auto"
    fingerprint: Callable[[Path], str] = folder_fingerprint
    generate: Generate | None = None
    sizes: tuple[str, ...] = ()
    known_release: "Callable[[], KnownRelease] | None" = None
    profile: str | None = None
    notes: Callable[[Path], tuple[str, ...]] | None = None
    published: bool = False

    @property
    def synthetic(self) -> bool:
        """True if the corpus is generated, so that its numbers say nothing about real speech."""
        return self.generate is not None
