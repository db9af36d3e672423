"""Extraction of one stream of one manifest into its store: claim a shard, read ahead, encode in batches, write.

Any number of processes may do this at once on one folder. Each takes the next unclaimed shard. At the end, each waits
for the last shards of the others, and takes over those whose holders died.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.progress import Progress
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError
from merflow.features.encoders.interface import Encoder, Prepared
from merflow.features.extraction.encoder_batches import budgeted_batches
from merflow.features.extraction.planning import Group, Plan, divide
from merflow.features.extraction.reader_pool import ReaderPool
from merflow.features.extraction.reading_tasks import Preparation, PreparedInput, ShardInput
from merflow.features.extraction.shard_in_progress import ShardInProgress
from merflow.features.extraction.shard_writer import ShardWriter
from merflow.features.extraction.survey import InputKind, SurveyedInputs
from merflow.features.store.claims import Claims
from merflow.features.store.keyed import KeyedStore, StoredEntries
from merflow.features.store.shards import EntryLocation, entry_shape, shard_name

# Largest result of one batch.
_RESULT_BYTES = 256 << 20

_POLL_S = 0.5
# Inputs per unit of a reader, and units that it is given ahead; texts and precomputed features need no reader. A video
# is read as a whole.
_UNIT: dict[InputKind, int] = {"audio": 8, "text": 64, "video": 1_000_000, "precomputed": 64}
_AHEAD: dict[InputKind, int] = {"audio": 4, "video": 1}


@dataclass
class Effort:
    """The work that filling a store took.

    Attributes:
        encoded: Inputs that this process encoded.
        media_s: Seconds of recording or video among them.
        wall_s: Seconds from the first input to the last shard.
        cost: Cost of all inputs, in the encoder's unit.
        padded_cost: Cost of all batches, with each input as large as the largest of its batch.
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


class StreamFilling:
    """The filling of one key's store with a manifest's inputs.

    Args:
        keyed: The store.
        inputs: The manifest's inputs of the stream.
        spec: The encoder, as in the profile.
        stream: The stream that is stored.
        shard_utterances: Entries per shard.
        batch_cost: Largest cost of a padded batch.
        strict: True to raise at the first input that cannot be encoded.
        progress: Called with the stage, the inputs done and their number.

    Attributes:
        effort: The work so far.
        refused: Digest of an input without an entry -> the reason.
    """

    def __init__(
        self,
        keyed: KeyedStore,
        inputs: SurveyedInputs,
        *,
        spec: EncoderSpec,
        stream: Stream,
        shard_utterances: int,
        batch_cost: int,
        strict: bool,
        progress: Progress,
    ) -> None:
        self.effort = Effort()
        self.refused: dict[str, str] = {}
        self._keyed = keyed
        self._inputs = inputs
        self._task = Preparation(spec, stream)
        self._stream = stream
        self._shard_utterances = shard_utterances
        self._strict = strict
        self._progress = progress
        self._stored: StoredEntries = keyed.entries()
        self._reported = -1
        self._finished = {digest for digest in inputs.unique if digest in self._stored.locations}
        step_bytes = 4
        for size in entry_shape(keyed.shape):
            step_bytes *= size
        self._budget = min(batch_cost, max(1, _RESULT_BYTES // step_bytes))

    @property
    def missing(self) -> list[str]:
        """Digests that the store lacks, in the manifest's order."""
        return [digest for digest in self._inputs.unique if digest not in self._stored.locations]

    def run(self, encoder: Encoder, readers: ReaderPool) -> dict[str, EntryLocation]:
        """Fill the store and return every entry's location; inputs that could not be encoded have none.

        Raises:
            FeatureError: No input can be encoded (or one cannot, if ``strict``), or a shard is corrupt.
            OutputError: The store cannot be written.
        """
        self._report()
        plan = Plan(self._keyed.folder, list(self._inputs.unique))
        if not self.missing:
            Claims(self._keyed.claims).remove_dead()
            plan.done()
            return self._stored.locations
        began = time.monotonic()
        groups = plan.agree(
            divide(self.missing, self._inputs, self._stream, shape=self._keyed.shape, most=self._shard_utterances)
        )
        with Claims(self._keyed.claims) as claims:
            while groups:
                groups = self._pass(groups, encoder, readers, claims)
                if groups:  # other processes are at work on these
                    time.sleep(_POLL_S)
            claims.remove_dead()
        self._refresh()
        plan.done()
        self.effort.wall_s = time.monotonic() - began
        if self.refused and len(self.refused) == len(self._inputs.unique):
            digest, reason = next(iter(self.refused.items()))
            raise FeatureError(f"no input of role {self._stream.role!r} can be encoded; {self._name(digest)}: {reason}")
        return self._stored.locations

    def _pass(
        self, groups: Sequence[Group], encoder: Encoder, readers: ReaderPool, claims: Claims
    ) -> tuple[Group, ...]:
        """Fill every shard that can be claimed; return the groups that others hold."""
        held_by_others: list[Group] = []
        in_progress: dict[str, ShardInProgress] = {}
        units = self._units(groups, claims, in_progress, held_by_others)
        writer = ShardWriter(self._keyed, claims, pooled=self._stream.pooled, refused=self._refuse)
        with writer:
            for name, digest, prepared in self._read(units, readers):
                shard = in_progress[name]
                for refused, reason in shard.add(digest, prepared):
                    self._refuse(refused, reason)
                window = shard.window()
                for batch in budgeted_batches([one.cost for _, one in window], budget=self._budget):
                    self._encode([window[position] for position in batch], name, encoder, writer)
                    self._report()
                if shard.complete:
                    writer.finish(name)
                    del in_progress[name]
        return tuple(held_by_others)

    def _read(self, units: Iterator[tuple[ShardInput, ...]], readers: ReaderPool) -> Iterator[PreparedInput]:
        """Read and prepare inputs; those that take less time than starting a process in this process."""
        if self._inputs.kind in _AHEAD:
            yield from readers.run(self._task, units, ahead=_AHEAD[self._inputs.kind])
            return
        for unit in units:
            yield from self._task(unit)

    def _units(
        self,
        groups: Sequence[Group],
        claims: Claims,
        in_progress: dict[str, ShardInProgress],
        held_by_others: list[Group],
    ) -> Iterator[tuple[ShardInput, ...]]:
        """Yield work for the readers; a shard is claimed when its first unit is requested."""
        size = _UNIT[self._inputs.kind]
        for group in groups:
            if all(self._settled(digest) for digest in group):
                continue
            name = shard_name(group)
            if not claims.acquire(name):
                held_by_others.append(group)
                continue
            self._refresh()  # an earlier holder may have completed it
            parts = [
                ShardInput(name, digest, self._inputs.unique[digest].source)
                for digest in group
                if not self._settled(digest) and digest in self._inputs.unique
            ]
            if not parts:
                claims.release(name)
                continue
            if self._inputs.kind == "video":
                parts.sort(key=_end_of)
            in_progress[name] = ShardInProgress([part.digest for part in parts])
            for unit in _by_file(parts) if self._inputs.kind == "video" else [parts]:
                for start in range(0, len(unit), size):
                    yield tuple(unit[start : start + size])

    def _settled(self, digest: str) -> bool:
        """Return True if an input is stored, or cannot be."""
        return digest in self._stored.locations or digest in self.refused

    def _encode(self, batch: Sequence[tuple[str, Prepared]], shard: str, encoder: Encoder, writer: ShardWriter) -> None:
        """Encode one batch; if it is refused, halve it until the input at fault is alone."""
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
        self._finished.update(digest for digest in self._stored.refresh() if digest in self._inputs.unique)
        self._report()

    def _report(self) -> None:
        """Report the counts since the last report; the first time, report only the count at the start."""
        first = len(self._finished) if self._reported < 0 else self._reported + 1
        for count in range(first, len(self._finished) + 1):
            self._progress(f"extract {self._stream.role}", count, len(self._inputs.unique))
        self._reported = len(self._finished)


def _end_of(part: ShardInput) -> tuple[str, float]:
    """Return a sort key for the order in which videos yield utterances: file by file, each when it ends."""
    return str(part.source.path), part.source.span.end_s if part.source.span else 0.0


def _by_file(parts: Sequence[ShardInput]) -> list[list[ShardInput]]:
    files: dict[object, list[ShardInput]] = {}
    for part in parts:
        files.setdefault(part.source.path, []).append(part)
    return list(files.values())
