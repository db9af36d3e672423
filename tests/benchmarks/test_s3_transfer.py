"""The comparison of transfers moves real files; small, since no time is measured."""

from pathlib import Path

import pytest

from benchmarks.s3_transfer import measured, programs, versions
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from tests.seaweed import BUCKET, OWNER, environment


def test_every_program_moves_the_same_files_and_leaves_nothing(
    seaweed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(OWNER, seaweed).items():
        monkeypatch.setenv(name, value)
    for number in range(3):
        (tmp_path / f"{number}").write_bytes(bytes([number]) * 1000)
    client = connect()
    rows = measured(tmp_path, S3Address(BUCKET, "transfer"), client=client, rounds=1)
    assert rows.keys() == programs(client).keys() >= {"merflow", "boto3 loop"}
    assert rows["merflow"]["up_merflow_is_times"] == rows["merflow"]["down_merflow_is_times"] == 1
    assert all(value > 0 for row in rows.values() for value in row.values())
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET, Prefix="transfer/")
    assert versions(rows).keys() == rows.keys() - {"merflow"}
