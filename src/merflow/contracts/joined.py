"""Training and test corpus in one manifest."""

from collections.abc import Mapping

from merflow.contracts.strict import Strict


class JoinedCorpus(Strict):
    """A corpus in a manifest of several.

    Attributes:
        name: Its name, which prefixes the names of its utterances, dialogues, speakers and sessions.
        kind: Kind of corpus, a key of :data:`merflow.corpus.readers.catalogue.READERS`.
        manifest_hash: Version of its own manifest.
        labelled: Utterances with a class of the taxonomy, or with a score.
        left_out: Class that not all corpora have -> utterances of this corpus that lost it; empty for a score.
    """

    name: str
    kind: str
    manifest_hash: str
    labelled: int
    left_out: Mapping[str, int]

    @property
    def utterances(self) -> int:
        """Number of utterances that keep their label."""
        return self.labelled - sum(self.left_out.values())

    @property
    def share_left_out(self) -> float:
        """Share of the labelled utterances that lost their class, 0 to 1."""
        return sum(self.left_out.values()) / self.labelled

    @property
    def left_out_in_words(self) -> str:
        """The share that was left out, with the classes: ``19.2% (bored 62, fearful 40)``."""
        classes = ", ".join(f"{name} {count:,}" for name, count in self.left_out.items())
        return f"{100 * self.share_left_out:.1f}%" + (f" ({classes})" if classes else "")


class Joined(Strict):
    """The corpora of a manifest; both are the same if one corpus is both trained on and tested."""

    train: JoinedCorpus
    test: JoinedCorpus

    @property
    def is_cross(self) -> bool:
        """True if one corpus is trained on and another is tested."""
        return self.train != self.test

    @property
    def each(self) -> tuple[JoinedCorpus, ...]:
        """Every corpus once."""
        return (self.train, self.test) if self.is_cross else (self.train,)

    @property
    def name(self) -> str:
        """Name of the corpora together: ``iemocap to emodb``, or that of the only one."""
        return f"{self.train.name} to {self.test.name}" if self.is_cross else self.train.name


class CrossCorpus(Joined):
    """The corpora behind results.

    Attributes:
        development: The development data that chose the epoch, in words.
    """

    development: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """The training, the test, and what was left out, in sentences."""
        tested = f"the whole of {self.test.name}" if self.is_cross else "held-out parts of it"
        left_out = "; ".join(f"{corpus.name} {corpus.left_out_in_words}" for corpus in self.each)
        return (
            f"Trained on {self.train.name} and tested on {tested}. Development data: {self.development}.",
            f"Utterances left out, because their class is not in every corpus: {left_out}.",
        )
