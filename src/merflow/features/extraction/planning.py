"""The division of missing entries into shards, the same for every process that fills a store.

The first process writes the plan to disk; the others, and those that resume, follow it. Otherwise each would divide
the entries that it finds missing at its start, and the same input could end up in two shards.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merflow.contracts.streams import Stream, StreamShape
from merflow.errors import FeatureError
from merflow.features.extraction.survey import InputKind, SurveyedInputs
from merflow.features.store.shards import entry_shape, publish
from merflow.storage.local import output_errors

# Largest estimated size of a shard, which is in memory while it is filled.
SHARD_BYTES = 128 << 20

# Length of an input (samples, characters, frames, steps) per step of its entry, to estimate the steps.
_PER_STEP: dict[InputKind, int] = {"audio": 320, "text": 4, "video": 1, "precomputed": 1}

Group = tuple[str, ...]


def divide(
    missing: Sequence[str], inputs: SurveyedInputs, stream: Stream, *, shape: StreamShape, most: int
) -> tuple[Group, ...]:
    """Return the digests of each shard: similar lengths together, longest first; utterances of one video together.

    Precomputed features keep the order of their file.

    Args:
        missing: Digests that the store lacks.
        inputs: Their lengths and files.
        stream: The stream that is stored.
        shape: Layers and width of an entry.
        most: Largest number of entries per shard.
    """
    step_bytes = 2 * int(np.prod(entry_shape(shape)))

    def size(digest: str) -> int:
        steps = 1 if stream.pooled else inputs.length(digest, stream) // _PER_STEP[inputs.kind] + 1
        return steps * step_bytes

    if inputs.kind == "precomputed":  # no padding to save: the file is read from its start to its end
        return tuple(_cut(missing, size, most))
    if inputs.kind != "video":
        longest_first = sorted(missing, key=lambda one: (-inputs.length(one, stream), one))
        return tuple(_cut(longest_first, size, most))
    of_file: dict[Path | None, list[str]] = {}
    for digest in missing:
        of_file.setdefault(inputs.unique[digest].source.path, []).append(digest)
    alone = [digests[0] for digests in of_file.values() if len(digests) == 1]
    together = [digests for digests in of_file.values() if len(digests) > 1]
    return tuple(group for digests in [*together, alone] for group in _cut(digests, size, most))


def _cut(digests: Sequence[str], size: Callable[[str], int], most: int) -> Iterator[Group]:
    group: list[str] = []
    group_bytes = 0
    for digest in digests:
        if group and (len(group) == most or group_bytes + size(digest) > SHARD_BYTES):
            yield tuple(group)
            group, group_bytes = [], 0
        group.append(digest)
        group_bytes += size(digest)
    if group:
        yield tuple(group)


class Plan:
    """The division that all processes with the same inputs follow while the store is being filled.

    Args:
        folder: The key's folder.
        digests: Digests of all inputs, stored or not; processes with the same inputs share a plan.
    """

    def __init__(self, folder: Path, digests: Sequence[str]) -> None:
        everything = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]
        self.path = folder / f"plan-{everything}.json"

    def agree(self, groups: Sequence[Group]) -> tuple[Group, ...]:
        """Return the groups that were written first: these, or those of an earlier process.

        Raises:
            FeatureError: The plan is corrupt.
            OutputError: The folder is read-only or the disk is full.
        """
        if not self.path.is_file():
            with output_errors(self.path):
                handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".part")
                try:
                    with open(handle, "w", encoding="ascii") as file:  # noqa: PTH123 - an open descriptor
                        json.dump(groups, file)
                    publish(Path(name), self.path)
                finally:
                    Path(name).unlink(missing_ok=True)
        return self._read(groups)

    def done(self) -> None:
        """Remove the plan, because nothing is missing any more."""
        self.path.unlink(missing_ok=True)

    def _read(self, groups: Sequence[Group]) -> tuple[Group, ...]:
        try:
            agreed = tuple(tuple(group) for group in json.loads(self.path.read_text(encoding="ascii")))
        except FileNotFoundError:  # another process has just completed the store
            return tuple(groups)
        except (ValueError, TypeError) as error:
            raise FeatureError(f"{self.path} is corrupt ({error}); delete it and extract again") from error
        planned = {digest for group in agreed for digest in group}
        rest = (tuple(one for one in group if one not in planned) for group in groups)
        return (*agreed, *(group for group in rest if group))
