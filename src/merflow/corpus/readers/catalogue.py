"""The corpora that merflow reads, and everything that is particular to one of them.

No other module tests for a corpus by name: each asks the corpus's :class:`Reader` instead. A reader's code is imported
when it is first called, so that a command can list the corpora without loading pandas.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from merflow.contracts.progress import Progress
from merflow.contracts.protocols import PROTOCOLS
from merflow.contracts.protocols import Protocol as SplitProtocol
from merflow.contracts.taxonomy import Taxonomy
from merflow.corpus.synthetic.sizes import PICKLE_SIZES, SIZES
from merflow.errors import CorpusError, SplitError, nearest
from merflow.storage.fingerprints import files_fingerprint, folder_fingerprint

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

    def __call__(self, out: Path, *, size: str, video: bool, progress: Progress | None = None) -> Path:
        """Generate the corpus in ``out`` unless it is already there, and return its root."""
        ...


# A release of IEMOCAP brings no split of its own.
_RELEASE_PROTOCOLS = tuple(protocol for protocol in PROTOCOLS if protocol != "official")
# CMU-MOSEI has an official split, and no sessions.
_MOSEI_PROTOCOLS: tuple[SplitProtocol, ...] = ("official", "k-fold")
_MOSEI_LICENCE = "YouTube videos that Carnegie Mellon University collected for research; each belongs to its author."


@dataclass(frozen=True)
class Reader:
    """One kind of corpus.

    Attributes:
        read: Reads the corpus into a manifest.
        root: The thing that ``--root`` names, with its article.
        licence: The terms of its recordings in a sentence, for the card of a model that learned from them.
        protocols: The split protocols that suit the corpus.
        fingerprint: Returns a digest of the corpus's files, which changes when one of them does. It is cheap, and it
            tells a pipeline when to index the corpus again.
        generate: Makes the corpus if no root is given; None for a corpus that has to be on disk.
        sizes: The sizes in which it can be generated.
        known_release: Returns the counts that are known of the corpus; None if nothing is known in advance.
        profile: The encoder profile that reads the features that came with the corpus; None if none did.
        notes: Returns facts about the corpus's files that validation tells, one line each.
        published: True if the papers' numbers were measured on this corpus, with the emotions of its taxonomy.
    """

    read: Read
    root: str
    licence: str = "Unknown to merflow; ask whoever recorded the utterances."
    protocols: tuple[SplitProtocol, ...] = PROTOCOLS
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


def _read_iemocap(root: Path, *, taxonomy: Taxonomy) -> "Manifest":
    from merflow.corpus.readers.iemocap import read_iemocap

    return read_iemocap(root, taxonomy=taxonomy)


def _iemocap_release() -> "KnownRelease":
    from merflow.corpus.validation.iemocap_release import IEMOCAP

    return IEMOCAP


def _generate_release(out: Path, *, size: str, video: bool, progress: Progress | None = None) -> Path:
    from merflow.corpus.synthetic.release import synthesize

    return synthesize(out, size=size, video=video, progress=progress)


def _read_mosei(root: Path, *, taxonomy: Taxonomy) -> "Manifest":
    from merflow.corpus.readers.mosei import read_mosei

    return read_mosei(root, taxonomy=taxonomy)


def _mosei_release() -> "KnownRelease":
    from merflow.corpus.validation.mosei_release import MOSEI

    return MOSEI


def _read_table(root: Path, *, taxonomy: Taxonomy) -> "Manifest":
    from merflow.corpus.readers.table import read_utterance_table

    return read_utterance_table(root, taxonomy=taxonomy)


def _table_fingerprint(root: Path) -> str:
    from merflow.corpus.readers.table import table_fingerprint

    return table_fingerprint(root)


def _read_mosei_pickle(root: Path, *, taxonomy: Taxonomy) -> "Manifest":
    from merflow.corpus.readers.mosei_pickle import read_mosei_pickle

    return read_mosei_pickle(root, taxonomy=taxonomy)


def _mosei_pickle_release() -> "KnownRelease":
    from merflow.corpus.validation.mosei_release import MOSEI_PICKLE

    return MOSEI_PICKLE


def _mosei_pickle_notes(root: Path) -> tuple[str, ...]:
    from merflow.corpus.mosei_pickle import open_mosei_pickle

    return open_mosei_pickle(root).notes()


def _generate_mosei_pickles(out: Path, *, size: str, video: bool, progress: Progress | None = None) -> Path:  # noqa: ARG001 - the files have vision in any case
    from merflow.corpus.synthetic.mosei_pickles import synthesize_pickles

    return synthesize_pickles(out, size=size, progress=progress)


def _file_fingerprint(root: Path) -> str:
    return files_fingerprint([root])


READERS: dict[str, Reader] = {
    "iemocap": Reader(
        _read_iemocap,
        root="the IEMOCAP_full_release folder",
        licence="Licensed to each user by the University of Southern California; recordings may not be passed on.",
        protocols=_RELEASE_PROTOCOLS,
        known_release=_iemocap_release,
        published=True,
    ),
    "mosei": Reader(
        _read_mosei,
        root="the CMU-MOSEI folder that contains Raw and label.csv",
        licence=_MOSEI_LICENCE,
        protocols=_MOSEI_PROTOCOLS,
        known_release=_mosei_release,
    ),
    "mosei-pickle": Reader(
        _read_mosei_pickle,
        root="CMU-MOSEI's aligned_50.pkl or unaligned_50.pkl",
        licence=_MOSEI_LICENCE,
        protocols=_MOSEI_PROTOCOLS,
        fingerprint=_file_fingerprint,
        known_release=_mosei_pickle_release,
        profile="mosei",
        notes=_mosei_pickle_notes,
    ),
    "synthetic": Reader(
        _read_iemocap,
        root="a generated release",
        licence="Generated by merflow; nobody was recorded.",
        protocols=_RELEASE_PROTOCOLS,
        generate=_generate_release,
        sizes=SIZES,
    ),
    "synthetic-mosei-pickle": Reader(
        _read_mosei_pickle,
        root="a generated aligned_50.pkl or unaligned_50.pkl",
        licence="Generated by merflow; nobody was recorded.",
        protocols=_MOSEI_PROTOCOLS,
        fingerprint=_file_fingerprint,
        generate=_generate_mosei_pickles,
        sizes=PICKLE_SIZES,
        profile="mosei",
        notes=_mosei_pickle_notes,
    ),
    "table": Reader(
        _read_table,
        root="the CSV file of utterances",
        fingerprint=_table_fingerprint,
    ),
}


def reader(corpus: str) -> Reader:
    """Return the reader of a corpus.

    Raises:
        CorpusError: No corpus has this name.
    """
    if corpus not in READERS:
        raise CorpusError(f"unknown corpus {corpus!r}; {nearest(corpus, READERS)}")
    return READERS[corpus]


def check_protocol(corpus: str, protocol: SplitProtocol) -> None:
    """Raise if a corpus cannot be split by a protocol.

    Raises:
        CorpusError: No corpus has this name.
        SplitError: The protocol does not suit the corpus.
    """
    allowed = reader(corpus).protocols
    if protocol not in allowed:
        raise SplitError(
            f"protocol {protocol!r} does not suit corpus {corpus!r}; set splits.protocol to {' or '.join(allowed)}"
        )
