"""A benchmark whose steps share only S3 gives exactly the same numbers as one on a shared folder."""

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merflow.contracts.history import read_history
from merflow.errors import StorageError
from merflow.runs.remote.location import ADDRESS
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.transfers import Transfers
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
from tests.jobs.steps.conftest import MODELS
from tests.seaweed import BUCKET, Seaweed
from tests.storage.s3.faulty_proxy import FaultyProxy, at_random

KILLS = 2


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


@pytest.mark.usefixtures("in_s3")
def test_faults_and_a_server_that_is_killed_cost_attempts_and_no_digit(
    workspace: Path,
    local_results: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "server").mkdir()
    server = Seaweed(tmp_path / "server")
    server.start()
    starting: list[threading.Thread] = []

    def kill_the_server(name: str, *_: object) -> None:
        if name in ("extract", "train"):
            server.kill()
            starting.append(threading.Thread(target=server.start))
            starting[-1].start()

    try:
        connect(server.url).create_bucket(Bucket=BUCKET)
        with FaultyProxy(server.url, at_random(0.1), stall_s=0.2) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            steps = StepByStep(
                settings_of(workspace, *MODELS), tmp_path / "run", pods=True, before=kill_the_server, retries=5
            )
            assert steps.benchmark().read_bytes() == local_results
            assert proxy.happened.total() > 20
        assert len(starting) == 1 + len(MODELS)
        assert all("; " in said for said in steps.failures), "what failed says what to do"
    finally:
        for thread in starting:
            thread.join()
        server.kill()


def test_a_killed_training_continues_in_another_pod(
    in_s3: S3Address, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(workspace, MODELS[1], params={"training": {"max_epochs": 40, "device": "cpu"}})
    killed: list[int] = []
    client = connect()

    def checkpoint() -> str:
        """Return the tag of the only checkpoint in the workspace; empty for none."""
        listed = client.list_objects_v2(Bucket=in_s3.bucket, Prefix=f"{in_s3.key}/checkpoints/").get("Contents", [])
        return "".join(each["ETag"] for each in listed)

    def kill(name: str, arguments: tuple[str, ...], named: dict[str, Any]) -> None:
        while name == "train" and len(killed) < KILLS:
            shutil.rmtree(workspace)
            workspace.mkdir()
            command = [
                sys.executable,
                "-m",
                "tests.jobs.steps.one_train",
                *arguments,
                named["metrics"],
                named["summary"],
            ]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            before = checkpoint()
            while process.poll() is None and checkpoint() == before:
                time.sleep(0.2)
            time.sleep(random.uniform(0, 0.1))
            process.kill()
            killed.append(process.wait())

    (fold,) = StepByStep(settings, tmp_path / "run", pods=True, before=kill).trained()
    resumed = figures_of(workspace / "folds" / fold)
    shutil.rmtree(workspace)
    monkeypatch.delenv(ADDRESS)
    (same,) = StepByStep(settings, tmp_path / "shared", pods=False).trained()
    assert same == fold
    assert resumed == figures_of(workspace / "folds" / fold)
    assert -9 in killed


def figures_of(fold: Path) -> tuple[bytes, Any]:
    """Return the predictions of a fold, and its figures per epoch without their times."""
    history = [replace(row, seconds=0.0) for row in read_history(fold)]
    return (fold / "predictions.parquet").read_bytes(), history


@pytest.mark.parametrize("published", [True, False])
def test_a_corpus_has_an_address_of_its_own(
    in_s3: S3Address, workspace: Path, tiny_release: Path, tmp_path: Path, published: bool
) -> None:
    corpus, client = in_s3 / "corpora/tiny", connect()
    with Transfers(client) as transfers:
        if published:
            publish(tiny_release, corpus, transfers)
        else:
            for path in tiny_release.rglob("*"):
                if path.is_file():
                    key = (corpus / path.relative_to(tiny_release).as_posix()).key
                    client.put_object(Bucket=corpus.bucket, Key=key, Body=path.read_bytes())
    settings = settings_of(workspace, MODELS[1], corpus="iemocap", root=str(corpus))
    steps = StepByStep(settings, tmp_path / "run", pods=True)
    first = json.loads(steps.digests())["corpus"]
    assert first == json.loads(steps.digests())["corpus"] != ""
    (fold,) = steps.trained()
    assert (workspace / "folds" / fold / "predictions.parquet").is_file()
    with Transfers(client) as transfers:
        fetch(corpus, tmp_path / "copy", transfers)
        client.put_object(Bucket=corpus.bucket, Key=f"{corpus.key}/more.txt", Body=b"x")
    assert first != json.loads(steps.digests())["corpus"]
    none = StepByStep(settings | {"root": f"{corpus}-none"}, tmp_path / "run", pods=True)
    with pytest.raises(StorageError, match=f"there is no corpus at {corpus}-none; pass the address of its folder"):
        none.digests()
