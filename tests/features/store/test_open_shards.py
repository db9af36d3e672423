import os
import re
from pathlib import Path

import numpy as np
import pytest

from merflow.contracts.streams import StreamShape
from merflow.errors import FeatureError
from merflow.features.store import open_shards
from merflow.features.store.keyed import KeyedStore
from merflow.features.store.shards import EntryLocation

SHAPE = StreamShape(layers=None, width=8)


@pytest.fixture
def entries() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {f"{number:064x}": random.standard_normal((3 + number, 8)).astype(np.float16) for number in range(12)}


@pytest.fixture
def keyed(tmp_path: Path, entries: dict[str, np.ndarray]) -> KeyedStore:
    """Return a store with three shards of four entries."""
    keyed = KeyedStore(tmp_path, SHAPE)
    digests = list(entries)
    for start in range(0, 12, 4):
        part = digests[start : start + 4]
        keyed.write_shard(part, [entries[digest] for digest in part])
    return keyed


def _open_files(folder: Path) -> int:
    return sum(str(folder) in os.path.realpath(link) for link in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("most", [1, 2, 128])
def test_entries_are_read_in_any_order_however_few_files_may_be_open(
    keyed: KeyedStore, entries: dict[str, np.ndarray], most: int
) -> None:
    places = keyed.locations()
    opened = keyed.open_entries([places[digest] for digest in entries], most=most)
    stored = list(entries.values())
    for numbers in np.random.default_rng(1).integers(0, 12, size=(20, 5)).tolist():
        for number, found in zip(numbers, opened.entries(numbers), strict=True):
            assert np.array_equal(found, stored[number])
    assert _open_files(keyed.folder) <= most


def test_entries_stay_whole_when_their_shard_is_let_go_of(keyed: KeyedStore, entries: dict[str, np.ndarray]) -> None:
    places = keyed.locations()
    opened = keyed.open_entries(list(places.values()), most=1)
    held = [opened.entries([number])[0] for number in range(12)]
    for digest, found in zip(places, held, strict=True):
        assert np.array_equal(found, entries[digest])
        assert not found.flags.writeable


def test_pages_are_released_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_shards, "_ROUND_BYTES", 4 << 20)
    keyed = KeyedStore(tmp_path, StreamShape(layers=None, width=1024))
    blocks = [np.full((1024, 1024), number, dtype=np.float16) for number in range(32)]
    digests = [f"{number:064x}" for number in range(32)]
    keyed.write_shard(digests, blocks)
    places = keyed.locations()
    opened = keyed.open_entries([places[digest] for digest in digests])
    assert sum(opened.entries([number])[0].sum(dtype=np.float64) for number in range(32)) == 1024**2 * 31 * 16
    (name,) = {place.shard for place in places.values()}
    # Of 64 MiB, no more are resident than one round and the entry that ended it.
    assert _resident_kib(name) <= 6 << 10
    assert all((opened.entries([number])[0] == block).all() for number, block in enumerate(blocks))


def _resident_kib(name: str) -> int:
    mappings = Path("/proc/self/smaps").read_text().split("VmFlags")
    found = [re.search(r"^Rss:\s+(\d+)", mapping, re.MULTILINE) for mapping in mappings if name in mapping]
    assert len(found) == 1
    assert found[0] is not None
    return int(found[0][1])


@pytest.mark.parametrize("past", [EntryLocation("", 0, 19), EntryLocation("", 17, 2), EntryLocation("", 40, 1)])
def test_an_index_that_points_beyond_its_shard_is_named(keyed: KeyedStore, past: EntryLocation) -> None:
    name = keyed.locations()[f"{0:064x}"].shard
    with pytest.raises(FeatureError) as caught:
        keyed.read(past._replace(shard=name))
    assert f"{name}.safetensors has 18 steps, but the index needs {past.offset + past.steps};" in str(caught.value)
    assert "delete the index next to it and run `merflow features extract` again" in str(caught.value)


def test_a_lost_shard_is_named(keyed: KeyedStore) -> None:
    with pytest.raises(FeatureError, match=r"shard .*absent\.safetensors is missing from the store; run"):
        keyed.read(EntryLocation("absent", 0, 1))


def test_a_shard_without_a_step_can_be_opened(tmp_path: Path) -> None:
    keyed = KeyedStore(tmp_path, SHAPE)
    keyed.write_shard(["ab" * 32], [np.zeros((0, 8), dtype=np.float16)])
    (place,) = keyed.locations().values()
    assert keyed.read(place).shape == (0, 8)
