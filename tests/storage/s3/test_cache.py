import multiprocessing
import os
import random
import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.cache import FileCache
from merflow.storage.s3.checked_stream import sha256_of
from merflow.storage.s3.client import connect
from merflow.storage.s3.published import PublishedFolder, read_published
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.retries import Retries
from merflow.storage.s3.transfers import Transfers
from tests.storage.s3.conftest import contents, write_files
from tests.storage.s3.faulty_proxy import Fault, FaultyProxy
from tests.storage.s3.test_killed import Barrier

SHARD = 100_000
SHARDS = [f"shard-{number}" for number in range(8)]
# Files of almost the same size, whose contents differ.
SIZES = {name: SHARD - number for number, name in enumerate(SHARDS)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_files(tmp_path / "store", sizes=SIZES)


@pytest.fixture
def published(source: Path, address: S3Address, transfers: Transfers) -> PublishedFolder:
    return publish(source, address, transfers).folder


def cached(folder: Path) -> set[str]:
    """Return the digests of the files that are cached."""
    return {path.name for path in folder.iterdir() if path.is_file()}


def digests(source: Path, *names: str) -> set[str]:
    return {sha256_of(source / name) for name in names}


def use(cache: FileCache, published: PublishedFolder, name: str) -> bytes:
    with cache.opened(published.file(name)) as path:
        return path.read_bytes()


def test_only_the_files_that_were_used_last_stay(
    published: PublishedFolder, source: Path, transfers: Transfers, tmp_path: Path
) -> None:
    cache = FileCache(tmp_path / "cache", max_bytes=3 * SHARD, transfers=transfers)
    for name in (*SHARDS[:3], SHARDS[0], SHARDS[3]):
        assert use(cache, published, name) == (source / name).read_bytes()
    assert cached(tmp_path / "cache") == digests(source, SHARDS[2], SHARDS[0], SHARDS[3])


def test_a_cached_file_needs_no_request(seaweed: str, published: PublishedFolder, source: Path, tmp_path: Path) -> None:
    requests: list[str] = []

    def plan(method: str, path: str) -> Fault | None:
        requests.append(f"{method} {path}")
        return None

    with FaultyProxy(seaweed, plan) as proxy, Transfers(connect(proxy.url)) as transfers:
        cache = FileCache(tmp_path / "cache", max_bytes=SHARD, transfers=transfers)
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(use(cache, published, SHARDS[0]))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [(source / SHARDS[0]).read_bytes()] * 6
        assert len([request for request in requests if request.startswith("GET")]) == 1
        other = FileCache(tmp_path / "cache", max_bytes=SHARD, transfers=transfers)
        count = len(requests)
        use(other, published, SHARDS[0])
        assert len(requests) == count


def test_files_in_use_stay_and_leave_no_room_for_others(
    published: PublishedFolder, source: Path, transfers: Transfers, tmp_path: Path
) -> None:
    cache = FileCache(tmp_path / "cache", max_bytes=2 * SHARD, transfers=transfers)
    with cache.opened(published.file(SHARDS[0])) as first:
        use(cache, published, SHARDS[1])
        use(cache, published, SHARDS[2])
        assert cached(tmp_path / "cache") == digests(source, SHARDS[0], SHARDS[2])
        with cache.opened(published.file(SHARDS[2])), pytest.raises(StorageError) as caught:
            use(cache, published, SHARDS[3])
        assert first.read_bytes() == (source / SHARDS[0]).read_bytes()
    assert "of 200,000 bytes has no room for shard-3 (99,997 bytes) beside the files in use; make it" in str(
        caught.value
    )
    assert use(cache, published, SHARDS[3]) == (source / SHARDS[3]).read_bytes()


def test_a_file_larger_than_the_cache_is_refused(
    published: PublishedFolder, transfers: Transfers, tmp_path: Path
) -> None:
    cache = FileCache(tmp_path / "cache", max_bytes=SHARD - 1, transfers=transfers)
    with pytest.raises(StorageError, match=r"no room for shard-0 .* make it larger by 1 bytes at least"):
        use(cache, published, SHARDS[0])
    assert cached(tmp_path / "cache") == set()


def test_a_damaged_file_is_not_cached(published: PublishedFolder, transfers: Transfers, tmp_path: Path) -> None:
    stored = published.file(SHARDS[0])
    transfers.client.put_object(Bucket=stored.address.bucket, Key=stored.address.key, Body=bytes(SHARD))
    cache = FileCache(tmp_path / "cache", max_bytes=SHARD, transfers=transfers)
    with pytest.raises(StorageError, match="does not arrive as it was stored"):
        use(cache, published, SHARDS[0])
    assert cached(tmp_path / "cache") == set()
    assert use(cache, published, SHARDS[1])


def test_an_unknown_file_is_named(published: PublishedFolder) -> None:
    with pytest.raises(StorageError, match="has no file 'shard-9'; its files are in s3://"):
        published.file("shard-9")


def size_of(folder: Path) -> int:
    """Return the bytes of all cached files; others may delete some of them meanwhile."""
    size = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            size += path.stat().st_size if path.name[0] != "." and path.is_file() else 0
    return size


def use_often(address: S3Address, source: Path, folder: Path, seed: int) -> None:
    """Read random files through the cache in a process of its own, two at a time."""
    chance = random.Random(seed)
    with Transfers(connect()) as transfers:
        published = read_published(transfers.client, address, Retries())
        assert published is not None
        cache = FileCache(folder, max_bytes=5 * SHARD, transfers=transfers)
        for _ in range(30):
            names = chance.sample(SHARDS, 2)
            with ExitStack() as stack:
                paths = [stack.enter_context(cache.opened(published.file(name))) for name in names]
                assert [path.read_bytes() for path in paths] == [(source / name).read_bytes() for name in names]
                assert size_of(folder) <= 5 * SHARD


def test_several_processes_share_a_cache(published: PublishedFolder, source: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=use_often, args=(published.address, source, tmp_path / "cache", seed))
        for seed in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert 2 <= len(cached(tmp_path / "cache")) <= 5
    assert all(sha256_of(tmp_path / "cache" / name) == name for name in cached(tmp_path / "cache"))


def use_once(address: S3Address, folder: Path, endpoint: str) -> None:
    with Transfers(connect(endpoint)) as transfers:
        published = read_published(transfers.client, address, Retries())
        assert published is not None
        use(FileCache(folder, max_bytes=SHARD, transfers=transfers), published, SHARDS[0])


def test_a_killed_download_gives_its_room_back(
    seaweed: str, published: PublishedFolder, source: Path, transfers: Transfers, tmp_path: Path
) -> None:
    barrier = Barrier("GET", "/files/")
    folder = tmp_path / "cache"
    with FaultyProxy(seaweed, barrier) as proxy:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=use_once, args=(published.address, folder, proxy.url))
        process.start()
        assert barrier.reached.wait(120)
        cache = FileCache(folder, max_bytes=SHARD, transfers=transfers)
        with pytest.raises(StorageError, match="no room for shard-1"):
            use(cache, published, SHARDS[1])
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        barrier.opened.set()
    assert len(list(folder.glob(".*.part"))) == 1
    assert use(cache, published, SHARDS[1]) == (source / SHARDS[1]).read_bytes()
    assert {path for path in contents(folder) if not path.startswith("locks/")} == digests(source, SHARDS[1])
