"""The speed of folders to and from S3, next to a plain loop over boto3, rclone and the AWS CLI.

All programs move the same files in one run, in a random order in every round, and what they download is compared with
the source. merflow also computes the SHA-256 of every file, twice on the way up and once on the way down. Without
``--endpoint`` the server is a SeaweedFS on this machine, so that client and server share its cores.
"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.record import write_result
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import S3Client, connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.transfers import Transfers

ROUNDS = 5
# Name -> number of files and bytes of each: turns of a corpus, and shards of a feature store.
FOLDERS = {"recordings (200 KB each)": (1000, 200_000), "shards (64 MiB each)": (6, 64 << 20)}

# Moves a folder to an address or back.
Move = Callable[[Path, S3Address], None]


@dataclass(frozen=True)
class Program:
    """One way to move folders.

    Attributes:
        up: Uploads a folder.
        down: Downloads it again.
    """

    up: Move
    down: Move


def programs(client: S3Client) -> dict[str, Program]:
    """Return the programs that this machine has, merflow first."""
    found = {"merflow": Program(_merflow_up, _merflow_down), "boto3 loop": Program(_loop_up, _loop_down)}
    if shutil.which("rclone"):
        found["rclone"] = Program(
            lambda folder, address: _rclone(client, str(folder), _remote(address)),
            lambda folder, address: _rclone(client, _remote(address), str(folder)),
        )
    if shutil.which("aws"):
        found["aws cli"] = Program(
            lambda folder, address: _aws(client, str(folder), str(address)),
            lambda folder, address: _aws(client, str(address), str(folder)),
        )
    return found


def _merflow_up(folder: Path, address: S3Address) -> None:
    with Transfers(connect()) as transfers:
        publish(folder, address, transfers)


def _merflow_down(folder: Path, address: S3Address) -> None:
    with Transfers(connect()) as transfers:
        fetch(address, folder, transfers)


def _loop_up(folder: Path, address: S3Address) -> None:
    client = connect()
    for path in sorted(folder.iterdir()):
        client.upload_file(str(path), address.bucket, f"{address.key}/{path.name}")


def _loop_down(folder: Path, address: S3Address) -> None:
    client = connect()
    folder.mkdir()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix):
        for each in page["Contents"]:
            client.download_file(address.bucket, each["Key"], str(folder / each["Key"].removeprefix(address.prefix)))


def _remote(address: S3Address) -> str:
    return f"server:{address.bucket}/{address.key}"


def _rclone(client: S3Client, source: str, target: str) -> None:
    options = ("--transfers=16", "--checkers=16", "--s3-no-check-bucket", "--config=/dev/null")
    variables = {"TYPE": "s3", "PROVIDER": "Other", "ENV_AUTH": "true", "ENDPOINT": client.meta.endpoint_url}
    settings = {f"RCLONE_CONFIG_SERVER_{name}": value for name, value in variables.items()}
    inherited = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}  # rclone 1.60 ends at it
    subprocess.run(["rclone", "copy", *options, source, target], check=True, env={**inherited, **settings})


def _aws(client: S3Client, source: str, target: str) -> None:
    options = ("--recursive", "--only-show-errors", f"--endpoint-url={client.meta.endpoint_url}")
    subprocess.run(["aws", "s3", "cp", *options, source, target], check=True)


def versions(ways: Iterable[str]) -> dict[str, str]:
    """Return the versions of the programs that merflow is compared with."""
    commands = {"rclone": ["rclone", "version"], "aws cli": ["aws", "--version"]}
    said = {way: subprocess.check_output(commands[way], text=True) for way in commands if way in ways}
    return {"boto3 loop": f"boto3 {version('boto3')}"} | {way: " ".join(text.split()[:2]) for way, text in said.items()}


def measured(source: Path, target: S3Address, *, client: S3Client, rounds: int) -> dict[str, dict[str, float]]:
    """Return the seconds of each program up and down, in the median round, and the multiple of merflow's."""
    ways = programs(client)
    seconds: dict[str, dict[str, list[float]]] = {way: {"up": [], "down": []} for way in ways}
    for number in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            address = target / f"{number}" / way.replace(" ", "-")
            with tempfile.TemporaryDirectory() as scratch:
                copy = Path(scratch) / "copy"
                seconds[way]["up"].append(_seconds(ways[way].up, source, address))
                seconds[way]["down"].append(_seconds(ways[way].down, copy, address))
                _check_equal(source, copy)
            _delete(client, address)
    medians = {way: {name: median(each) for name, each in both.items()} for way, both in seconds.items()}
    ours = medians["merflow"]
    return {
        way: {
            f"{name}_{key}": value
            for name in ("up", "down")
            for key, value in (("s", both[name]), ("merflow_is_times", both[name] / ours[name]))
        }
        for way, both in medians.items()
    }


def _seconds(move: Move, folder: Path, address: S3Address) -> float:
    started = perf_counter()
    move(folder, address)
    return perf_counter() - started


def _check_equal(source: Path, copy: Path) -> None:
    names = sorted(path.name for path in source.iterdir())
    assert names == sorted(path.name for path in copy.iterdir())
    assert all((source / name).read_bytes() == (copy / name).read_bytes() for name in names)


def _delete(client: S3Client, folder: S3Address) -> None:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.prefix):
        keys = [{"Key": each["Key"]} for each in page.get("Contents", ())]
        client.delete_objects(Bucket=folder.bucket, Delete={"Objects": keys})


@contextmanager
def server(endpoint: str | None, bucket: str) -> Iterator[None]:
    """Set ``AWS_ENDPOINT_URL`` to the server at hand, or to a SeaweedFS that runs meanwhile."""
    if endpoint is not None:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
        yield
        return
    from tests.seaweed import OWNER, Seaweed, environment

    with tempfile.TemporaryDirectory() as scratch:
        seaweed = Seaweed(Path(scratch))
        try:
            seaweed.start()
            os.environ.update(environment(OWNER, seaweed.url))
            connect().create_bucket(Bucket=bucket)
            yield
        finally:
            seaweed.kill()


def _write_files(folder: Path, *, count: int, size: int) -> None:
    chance = np.random.default_rng(0)
    for number in range(count):
        (folder / f"{number:05}").write_bytes(chance.bytes(size))


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", help="use this server, with credentials from the usual chain")
    parser.add_argument("--bucket", default="benchmark", help="use this bucket; below the key s3-transfer")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--share", type=float, default=1.0, help="move this share of the files, and record nothing")
    options = parser.parse_args()
    folders: dict[str, Any] = {}
    with server(options.endpoint, options.bucket):
        client = connect()
        for name, (files, size) in FOLDERS.items():
            count = max(2, round(files * options.share))
            with tempfile.TemporaryDirectory() as scratch:
                source = Path(scratch)
                _write_files(source, count=count, size=size)
                target = S3Address(options.bucket, f"s3-transfer/{size}")
                ways = measured(source, target, client=client, rounds=options.rounds)
            folders[name] = {"files": count, "bytes": count * size, "programs": ways}
            for way, row in ways.items():
                print(f"{name:26} {way:12} " + "  ".join(f"{key} {value:.2f}" for key, value in row.items()))
    if options.share == 1.0:
        where = "at the given endpoint" if options.endpoint else "SeaweedFS on the same machine"
        figures = {"folders": folders, "versions": versions(ways), "server": where, "rounds": options.rounds}
        write_result("s3_transfer", figures)


if __name__ == "__main__":
    main()
