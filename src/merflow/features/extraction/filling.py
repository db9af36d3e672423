"""One stream of one manifest into its store: claim a shard, read ahead, encode in batches of similar length, write.

Any number of processes may do this at once on one folder. Each takes the next shard that nobody holds; at the end each
waits for the others' last shards, and takes over those whose holders died.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Modality, Stream
from merflow.errors import FeatureError
from merflow.features.encoders.catalogue import Encoder
from merflow.features.encoders.prepared import Prepared
from merflow.features.extraction.bucketing import budgeted_batches
from merflow.features.extraction.inputs import Inputs, Tell
from merflow.features.extraction.planning import Group, Plan, divide
from merflow.features.extraction.readers import Readers
from merflow.features.extraction.sources import Outcome, Preparation, Ticket
from merflow.features.extraction.writing import ShardWriter
from merflow.features.store.claims import Claims
from merflow.features.store.keyed import Catalogue, KeyedStore
from merflow.features.store.shards import Place, entry_shape, shard_name

# Prepared inputs that are put in order of cost before they are cut into batches; a shard's, where they are fewer.
WINDOW_BYTES = 64 << 20
# What an encoder gives back at a time.
RESULT_BYTES = 256 << 20

_POLL_S = 0.5
# Inputs that a reader is given at a time, and how many such units it is ahead. A video is read as a whole.
_UNIT: dict[Modality, int] = {"audio": 8, "text": 64, "video": 1_000_000}
_AHEAD: dict[Modality, int] = {"audio": 4, "video": 1}


@dataclass
class Effort:
    """What filling a store took.

    Attributes:
        encoded: Inputs that this process encoded.
        media_s: Seconds of recording or video among them.
        wall_s: Seconds from the first input to the last shard.
        cost: Of all inputs, in the encoder's unit.
        padded_cost: Of all batches, each input as large as its batch's largest.
    """

    encoded: int = 0
    media_s: float = 0.0
    wall_s: float = 0.0
    cost: int = 0
    padded_cost: int = 0

    @property
    def padding(self) -> float:
        """Share of the encoder's work that was padding."""
        return 1 - self.cost / self.padded_cost if self.padded_cost else 0.0


class _Open:
    """A shard that is being read and encoded.

    Readers finish in any order; inputs are taken up in the plan's, so that the same inputs make the same batches.
    """

    def __init__(self, digests: Sequence[str]) -> None:
        self._coming = deque(digests)
        self._early: dict[str, Prepared | str] = {}
        self._window: list[tuple[str, Prepared]] = []
        self._bytes = 0

    @property
    def complete(self) -> bool:
        """Whether every input has been taken up."""
        return not self._coming

    def arrive(self, digest: str, outcome: Prepared | str) -> Iterator[tuple[str, str]]:
        """Takes up what can be by now; yields inputs that cannot be encoded, with the reason."""
        self._early[digest] = outcome
        while self._coming and self._coming[0] in self._early:
            first = self._coming.popleft()
            taken = self._early.pop(first)
            if isinstance(taken, str):
                yield first, taken
                continue
            self._window.append((first, taken))
            self._bytes += _bytes_of(taken.values)

    def window(self) -> list[tuple[str, Prepared]]:
        """Inputs to be encoded now: none until they are enough, or the last."""
        if self._bytes < WINDOW_BYTES and self._coming:
            return []
        window, self._window, self._bytes = self._window, [], 0
        return window


class Filling:
    """Fills one key's store with a manifest's inputs.

    Args:
        keyed: The store.
        inputs: The manifest's inputs of the stream's modality.
        spec: The encoder as the profile has it.
        stream: What is stored.
        shard_utterances: Entries of a shard.
        strict: The first input that cannot be encoded ends everything.
        tell: Told of the inputs that are done.
    """

    def __init__(
        self,
        keyed: KeyedStore,
        inputs: Inputs,
        *,
        spec: EncoderSpec,
        stream: Stream,
        shard_utterances: int,
        batch_cost: int,
        strict: bool,
        tell: Tell,
    ) -> None:
        self.effort = Effort()
        self.refused: dict[str, str] = {}  # digest -> why it has no entry
        self._keyed = keyed
        self._inputs = inputs
        self._task = Preparation(spec, stream)
        self._stream = stream
        self._shard_utterances = shard_utterances
        self._strict = strict
        self._tell = tell
        self._catalogue: Catalogue = keyed.catalogue()
        self._told = -1
        self._finished = {digest for digest in inputs.unique if digest in self._catalogue.places}
        step_bytes = 4
        for size in entry_shape(keyed.shape):
            step_bytes *= size
        self._budget = min(batch_cost, max(1, RESULT_BYTES // step_bytes))

    @property
    def missing(self) -> list[str]:
        """Digests that the store lacks, in the manifest's order."""
        return [digest for digest in self._inputs.unique if digest not in self._catalogue.places]

    def run(self, encoder: Encoder, readers: Readers) -> dict[str, Place]:
        """Fills the store and returns every entry's place; inputs that could not be encoded have none.

        Raises:
            FeatureError: No input at all can be encoded; or one, where it is strict; or a shard is corrupt.
            OutputError: The store cannot be written.
        """
        self._progress()
        plan = Plan(self._keyed.folder, list(self._inputs.unique))
        if not self.missing:
            plan.done()
            return self._catalogue.places
        began = time.monotonic()
        groups = plan.agree(
            divide(self.missing, self._inputs, self._stream, shape=self._keyed.shape, most=self._shard_utterances)
        )
        with Claims(self._keyed.claims) as claims:
            while groups:
                groups = self._pass(groups, encoder, readers, claims)
                if groups:  # others are at work on these
                    time.sleep(_POLL_S)
        self._refresh()
        plan.done()
        self.effort.wall_s = time.monotonic() - began
        if self.refused and len(self.refused) == len(self._inputs.unique):
            digest, reason = next(iter(self.refused.items()))
            raise FeatureError(f"no input of role {self._stream.role!r} can be encoded; {self._name(digest)}: {reason}")
        return self._catalogue.places

    def _pass(self, groups: Sequence[Group], encoder: Encoder, readers: Readers, claims: Claims) -> tuple[Group, ...]:
        """Fills every shard that can be claimed; returns those that others hold."""
        held_by_others: list[Group] = []
        opened: dict[str, _Open] = {}
        units = self._units(groups, claims, opened, held_by_others)
        writer = ShardWriter(self._keyed, claims, pooled=self._stream.pooled, refused=self._refuse)
        with writer:
            for name, digest, outcome in self._read(units, readers):
                shard = opened[name]
                for refused, reason in shard.arrive(digest, outcome):
                    self._refuse(refused, reason)
                window = shard.window()
                for batch in budgeted_batches([prepared.cost for _, prepared in window], budget=self._budget):
                    self._encode([window[place] for place in batch], name, encoder, writer)
                    self._progress()
                if shard.complete:
                    writer.finish(name)
                    del opened[name]
        return tuple(held_by_others)

    def _read(self, units: Iterator[tuple[Ticket, ...]], readers: Readers) -> Iterator[Outcome]:
        """Texts in this process: a tokenizer takes less time for a corpus than a process takes to import one."""
        modality = self._inputs.modality
        if modality != "text":
            yield from readers.run(self._task, units, ahead=_AHEAD[modality])
            return
        for unit in units:
            yield from self._task(unit)

    def _units(
        self, groups: Sequence[Group], claims: Claims, opened: dict[str, _Open], held_by_others: list[Group]
    ) -> Iterator[tuple[Ticket, ...]]:
        """Work for the readers; a shard is claimed when its first unit is asked for."""
        size = _UNIT[self._inputs.modality]
        for group in groups:
            if all(self._settled(digest) for digest in group):
                continue
            name = shard_name(group)
            if not claims.acquire(name):
                held_by_others.append(group)
                continue
            self._refresh()  # whoever held it before may have completed it
            tickets = [
                Ticket(name, digest, self._inputs.unique[digest].source)
                for digest in group
                if not self._settled(digest) and digest in self._inputs.unique
            ]
            if not tickets:
                claims.release(name)
                continue
            if self._inputs.modality == "video":
                tickets.sort(key=_end_of)
            opened[name] = _Open([ticket.digest for ticket in tickets])
            for unit in _by_file(tickets) if self._inputs.modality == "video" else [tickets]:
                for start in range(0, len(unit), size):
                    yield tuple(unit[start : start + size])

    def _settled(self, digest: str) -> bool:
        """Whether an input is stored, or cannot be."""
        return digest in self._catalogue.places or digest in self.refused

    def _encode(self, batch: Sequence[tuple[str, Prepared]], shard: str, encoder: Encoder, writer: ShardWriter) -> None:
        """One batch; one that is refused is halved until the input at fault is alone."""
        try:
            arrays = encoder.encode([prepared for _, prepared in batch])
        except FeatureError as error:
            if len(batch) == 1:
                self._refuse(batch[0][0], str(error))
                return
            middle = len(batch) // 2
            self._encode(batch[:middle], shard, encoder, writer)
            self._encode(batch[middle:], shard, encoder, writer)
            return
        writer.add(shard, [digest for digest, _ in batch], arrays)
        costs = [prepared.cost for _, prepared in batch]
        self._finished.update(digest for digest, _ in batch)
        self.effort.encoded += len(batch)
        self.effort.media_s += sum(self._inputs.unique[digest].seconds for digest, _ in batch)
        self.effort.cost += sum(costs)
        self.effort.padded_cost += max(costs) * len(costs)

    def _refuse(self, digest: str, reason: str) -> None:
        if self._strict:
            raise FeatureError(f"utterance {self._name(digest)}, {self._stream.role}: {reason}")
        self.refused[digest] = reason
        self._finished.add(digest)

    def _name(self, digest: str) -> str:
        return self._inputs.unique[digest].source.utterance_id

    def _refresh(self) -> None:
        self._finished.update(digest for digest in self._catalogue.refresh() if digest in self._inputs.unique)
        self._progress()

    def _progress(self) -> None:
        """Tells every count since the last one; the first time only where it begins."""
        first = len(self._finished) if self._told < 0 else self._told + 1
        for count in range(first, len(self._finished) + 1):
            self._tell(f"extract {self._stream.role}", count, len(self._inputs.unique))
        self._told = len(self._finished)


def _end_of(ticket: Ticket) -> tuple[str, float]:
    """Sorts utterances as a video gives them: file by file, each when it ends."""
    return str(ticket.source.path), ticket.source.span.end_s if ticket.source.span else 0.0


def _by_file(tickets: Sequence[Ticket]) -> list[list[Ticket]]:
    files: dict[object, list[Ticket]] = {}
    for ticket in tickets:
        files.setdefault(ticket.source.path, []).append(ticket)
    return list(files.values())


def _bytes_of(values: object) -> int:
    """Memory of a prepared input's arrays."""
    if isinstance(values, dict):
        return sum(_bytes_of(value) for value in values.values())
    if isinstance(values, list | tuple):
        return sum(_bytes_of(value) for value in values)
    return int(getattr(values, "nbytes", 64))
