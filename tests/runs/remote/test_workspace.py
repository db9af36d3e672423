import threading
from contextlib import suppress
from pathlib import Path

import pytest

from merflow.errors import StorageError
from merflow.runs.remote.lines import GrowingFile
from merflow.runs.remote.location import ADDRESS, LIMIT, remote_address, scratch_bytes
from merflow.runs.remote.watch import Watch
from merflow.runs.remote.workspace import RemoteWorkspace
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.transfers import PART_BYTES
from tests.runs.remote.conftest import write

Machines = tuple[RemoteWorkspace, RemoteWorkspace]


def test_without_the_variable_there_is_no_workspace_in_s3() -> None:
    assert remote_address({}) is None
    assert remote_address({ADDRESS: "s3://runs/team/"}) == S3Address("runs", "team")
    assert (scratch_bytes({}), scratch_bytes({LIMIT: "0.5"})) == (None, 2**29)
    with pytest.raises(StorageError, match="'runs/team' is not an S3 address"):
        remote_address({ADDRESS: "runs/team"})
    with pytest.raises(
        StorageError, match=r"MERFLOW_SCRATCH_GIB 'much' is not a number of GiB; set cluster\.scratch_gib"
    ):
        scratch_bytes({LIMIT: "much"})


@pytest.mark.parametrize("size", [0, 1000, 2 * PART_BYTES + 5])
def test_a_file_arrives_at_the_same_path_of_another_machine(machines: Machines, size: int) -> None:
    first, second = machines
    path = write(first, "inputs/a b.parquet", bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    first.upload([path], immutable=False)
    assert second.fetch_file(second.root / "inputs/a b.parquet")
    assert (second.root / "inputs/a b.parquet").read_bytes() == path.read_bytes()
    assert not second.fetch_file(second.root / "inputs/none")
    assert [each.name for each in path.parent.iterdir()] == ["a b.parquet"]


def test_an_immutable_file_stays_and_another_one_is_replaced(machines: Machines) -> None:
    first, second = machines
    for immutable, kept in ((True, b"first"), (False, b"second")):
        name = f"inputs/{immutable}"
        first.upload([write(first, name, b"first")], immutable=immutable)
        second.upload([write(second, name, b"second")], immutable=immutable)
        assert first.fetch_file(first.root / name)
        assert (first.root / name).read_bytes() == kept


def test_of_two_different_folds_the_first_one_wins_on_both_machines(machines: Machines) -> None:
    first, second = machines
    for remote, content in ((first, b"1"), (second, b"2")):
        for name in ("model/fold.json", "model/weights.safetensors", "predictions.parquet"):
            write(remote, f"folds/f/{name}", content)
        write(remote, f"folds/f/only-{content.decode()}", content)
        remote.publish(remote.root / "folds/f")
    found = {path.name: path.read_bytes() for path in (second.root / "folds/f").rglob("*") if path.is_file()}
    assert found == dict.fromkeys(("fold.json", "weights.safetensors", "predictions.parquet", "only-1"), b"1")
    third = RemoteWorkspace(first.root.with_name("third"), first.address, client=connect())
    assert third.fetch_below(third.root / "folds/f", wanted=lambda path: "safetensors" not in path)
    assert not list(third.root.rglob("*.safetensors"))
    assert not third.fetch_below(third.root / "folds/g")


def test_all_machines_agree_on_what_the_first_one_wrote(machines: Machines) -> None:
    together = threading.Barrier(2)

    def agree(remote: RemoteWorkspace, name: str) -> None:
        path = write(remote, "folds/identity", name.encode())
        together.wait()
        remote.agree(path)

    threads = [threading.Thread(target=agree, args=each) for each in zip(machines, ("one", "two"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contents = {(remote.root / "folds/identity").read_text() for remote in machines}
    assert len(contents) == 1
    assert contents < {"one", "two"}


def test_checkpoints_go_up_while_they_are_written_and_those_of_before_do_not(machines: Machines) -> None:
    first, second = machines
    folder = first.root / "checkpoints/f"
    old = write(first, "checkpoints/f/old.safetensors", b"old")
    with Watch(first, lambda: folder.glob("*.safetensors"), immutable=False, every_s=0.05):
        for content in (b"epoch 1", b"epoch 2"):
            part = write(first, "checkpoints/f/.new.part", content)
            part.replace(folder / "new.safetensors")
            arrived = second.root / "checkpoints/f/new.safetensors"
            while not second.fetch_file(arrived) or arrived.read_bytes() != content:
                threading.Event().wait(0.02)
    assert not second.fetch_file(second.root / "checkpoints/f/old.safetensors")
    assert old.is_file()
    with suppress(KeyboardInterrupt), Watch(first, lambda: folder.glob("*.safetensors"), immutable=False):
        write(first, "checkpoints/f/new.safetensors", b"epoch 3")
        raise KeyboardInterrupt
    assert second.fetch_file(arrived)
    assert arrived.read_bytes() == b"epoch 3", "the last checkpoint of a job that fails"
    first.remove(folder)
    assert not second.fetch_file(arrived)


def test_lines_of_several_machines_are_all_kept(machines: Machines) -> None:
    name = "transcripts.jsonl"
    for remote, line in zip(machines, (b"one\n", b"two\n"), strict=True):
        growing = GrowingFile(remote.root / name, remote)
        growing.fetch()
        known = (remote.root / name).read_bytes() if (remote.root / name).is_file() else b""
        write(remote, name, known + line + b"torn")
        remote.upload(growing.segments(), immutable=True)
    third = RemoteWorkspace(machines[0].root.with_name("third"), machines[0].address, client=connect())
    GrowingFile(third.root / name, third).fetch()
    assert (third.root / name).read_bytes() == b"one\ntwo\n"


def test_a_scratch_folder_without_room_says_so_before_anything_is_fetched(machines: Machines) -> None:
    first, _ = machines
    for shard in ("a", "b"):
        path = write(first, f"store/key/shards/{shard}.safetensors", bytes(600))
        first.upload([path], immutable=True)
    small = RemoteWorkspace(first.root.with_name("small"), first.address, client=connect(), limit=1000)
    shards = small.root / "store/key/shards"
    with pytest.raises(StorageError, match=r"1,200 bytes, do not fit into .* set cluster.scratch_gib to"):
        small.fetch_below(shards)
    assert not list(small.root.rglob("*"))
    for shard in ("a.safetensors", "b.safetensors"):
        assert small.fetch_below(shards, wanted={shard}.__contains__, keep=set[str]().__contains__)
        assert [path.name for path in shards.iterdir()] == [shard], "the other one made room"


def test_a_file_elsewhere_is_refused(machines: Machines, tmp_path: Path) -> None:
    first, _ = machines
    with pytest.raises(StorageError, match="is not in the workspace"):
        first.fetch_file(tmp_path / "elsewhere")
    assert first.address_of(first.root / "recordings/corpora/IEMOCAP/x.wav") == S3Address("corpora", "IEMOCAP/x.wav")
    assert first.path_of(S3Address("corpora", "IEMOCAP")) == first.root / "recordings/corpora/IEMOCAP"
