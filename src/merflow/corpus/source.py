"""The corpus of a benchmark: one that is on disk, or one that is generated on first use."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.progress import Progress
from merflow.contracts.protocols import ProtocolChoice
from merflow.corpus.readers.catalogue import READERS, check_protocol, reader
from merflow.corpus.readers.kind import Generate
from merflow.errors import CorpusError, nearest

_FORM = "[NAME:]KIND[=ROOT or SIZE]"
# The name begins those of utterances and folders.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")


@dataclass(frozen=True)
class CorpusSource:
    """The corpus that a benchmark reads.

    Attributes:
        corpus: Kind of corpus, a key of :data:`merflow.corpus.readers.catalogue.READERS`.
        root: Root of the corpus; None has it generated.
        size: Size of a generated corpus.
    """

    corpus: str
    root: Path | None = None
    size: str = "small"

    def check(self, *, protocol: ProtocolChoice, name: str | None = None) -> None:
        """Raise if the corpus cannot be read, or cannot be split by the protocol, before anything is made.

        Args:
            protocol: The protocol; ``auto`` for the usual one of the corpus.
            name: The name of a corpus that :func:`named_sources` returned, for errors; None for one of --corpus.

        Raises:
            CorpusError: The kind or the size is unknown, or the root is missing.
            SplitError: The protocol does not suit the corpus.
        """
        check_protocol(self.corpus, protocol)
        self._check_root(name=name)

    def locate(self, generated: Path, *, video: bool, progress: Progress | None = None) -> Path:
        """Return the root of the corpus, and generate the corpus first if it has none.

        Args:
            generated: Folder of generated corpora. One with video is stored next to the one without.
            video: True to generate video, too.
            progress: Receives the progress of the generator.

        Raises:
            CorpusError: The kind or the size is unknown, or the root is missing.
            OutputError: The generated corpus cannot be written.
        """
        self._check_root()
        generate = reader(self.corpus).generate
        if self.root is not None or generate is None:
            assert self.root is not None
            return self.root
        return generate(generated / self.generated_name(video=video), size=self.size, video=video, progress=progress)

    def generated_name(self, *, video: bool) -> str:
        """Return the name of the folder of a generated corpus: another one for each kind and size, and for video."""
        parts = [self.corpus.removeprefix("synthetic").strip("-"), self.size, "video" if video else ""]
        return "-".join(part for part in parts if part)

    def _check_root(self, *, name: str | None = None) -> None:
        kind = reader(self.corpus)
        given = "--root" if name is None else f"{name}:{self.corpus}=ROOT"
        if self.root is not None and not self.root.exists():
            if name is not None and kind.sizes and self.root.parent == Path():
                raise CorpusError(
                    f"{str(self.root)!r} is neither a file or folder nor a size of corpus {self.corpus!r}; "
                    f"{nearest(str(self.root), kind.sizes)}"
                )
            raise CorpusError(f"no such file or folder: {self.root}; pass {kind.root} with {given}")
        if self.root is None and kind.generate is None:
            raise CorpusError(f"corpus {self.corpus!r} needs a root; pass {kind.root} with {given}")
        if self.root is None and self.size not in kind.sizes:
            raise CorpusError(f"unknown size {self.size!r} of corpus {self.corpus!r}; {nearest(self.size, kind.sizes)}")


def named_sources(texts: Iterable[str]) -> dict[str, CorpusSource]:
    """Return the corpora that options describe, by name, in their order.

    Args:
        texts: ``[NAME:]KIND[=ROOT or SIZE]`` each: ``iemocap=ROOT``, ``emodb:table=FILE.csv``, ``synthetic=tiny``.
            The name is that of the kind where none is given. A corpus may be described twice.

    Raises:
        CorpusError: A text has another form, or one name stands for two corpora.
    """
    sources: dict[str, CorpusSource] = {}
    for text in texts:
        described, _, where = text.partition("=")
        first, colon, second = described.partition(":")
        name, corpus = first, second if colon else first
        if not _NAME.fullmatch(name):
            raise CorpusError(
                f"{text!r} does not describe a corpus; write {_FORM}, for example emodb:table=FILE.csv, with a name of "
                "letters, digits, dots and hyphens"
            )
        kind = reader(corpus)
        source = CorpusSource(corpus, size=where) if where in kind.sizes else CorpusSource(corpus, _root(where))
        if sources.setdefault(name, source) != source:
            raise CorpusError(
                f"{name} stands for two corpora; give each a name of its own: {_FORM}, for example {name}2:{text}"
                if not colon
                else f"{name} stands for two corpora; give each a name of its own before the colon"
            )
    return sources


def _root(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def generator_of(corpus: str) -> Generate:
    """Return the generator of a corpus.

    Raises:
        CorpusError: No corpus has this name, or it cannot be generated.
    """
    generate = reader(corpus).generate
    if generate is None:
        generated = [name for name, each in READERS.items() if each.synthetic]
        raise CorpusError(f"corpus {corpus!r} cannot be generated; choose --corpus {' or '.join(generated)}")
    return generate
