"""A benchmark whose steps share nothing but S3 gives what one on a shared folder gives, to the digit."""

from pathlib import Path

import pytest

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
from tests.jobs.steps.conftest import MODELS


def keys(address: S3Address) -> list[str]:
    pages = connect().get_paginator("list_objects_v2").paginate(Bucket=address.bucket, Prefix=address.prefix)
    return [each["Key"].removeprefix(address.prefix) for page in pages for each in page.get("Contents", ())]


def test_a_benchmark_without_a_shared_folder_gives_the_same_results(
    in_s3: S3Address, workspace: Path, local_results: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = StepByStep(settings_of(workspace, *MODELS), tmp_path / "first", pods=True)
    assert first.benchmark().read_bytes() == local_results
    assert not [key for key in keys(in_s3) if key.startswith("checkpoints/")]
    before = keys(in_s3)
    capsys.readouterr()
    again = StepByStep(settings_of(workspace, *MODELS), tmp_path / "again", pods=True)
    assert again.benchmark().read_bytes() == local_results
    said = capsys.readouterr().err
    assert said.count("already trained") == len(MODELS)
    assert said.count("nothing to encode") >= len(MODELS)
    assert sorted(keys(in_s3)) == sorted(before)
