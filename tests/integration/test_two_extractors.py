"""Tests that extractions sharing a store, some killed at random, lose nothing and write nothing twice."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from merflow.corpus.manifest import Manifest, build_manifest, write_manifest
from merflow.features.encoders.keys import feature_key
from merflow.features.extraction.stored_streams import extract_streams
from merflow.features.store.keyed import open_store
from tests.integration.extraction_process import PROFILE, SHARD_UTTERANCES, STREAM

UTTERANCES = 90
KILLS = 3


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("corpus")
    chance = np.random.default_rng(0)
    rows = []
    for turn in range(UTTERANCES):
        path = root / f"u{turn:03d}.wav"
        sf.write(path, 0.1 * chance.standard_normal(int(chance.uniform(4_000, 24_000))), 16_000)
        rows.append(
            {
                "utterance_id": path.stem,
                "dialogue_id": "d",
                "turn_index": turn,
                "session": "Session1",
                "speaker": "S",
                "audio_path": path.name,
            }
        )
    return build_manifest(rows, root=root, corpus="table", taxonomy="iemocap4")


def _start(manifest: Path, store: Path, log: Path) -> "subprocess.Popen[str]":
    program = Path(__file__).with_name("extraction_process.py")
    arguments = [sys.executable, str(program), str(manifest), str(store), str(log)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def _wait_until(process: "subprocess.Popen[str]", done: int) -> None:
    """Wait until the process has encoded this many utterances, or has seen others encode them."""
    assert process.stdout is not None
    for line in process.stdout:
        stage, _, count = line.rstrip().rpartition(" ")
        if stage == "extract speech" and int(count) >= done:
            return
    raise AssertionError("the extraction ended before it came that far")


def _kill_after(victim: "subprocess.Popen[str]", done: int, *, pause_s: float) -> None:
    _wait_until(victim, done)
    time.sleep(pause_s)
    victim.kill()
    assert victim.wait() == -signal.SIGKILL
    assert victim.stdout is not None
    victim.stdout.close()


def _contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.rglob("*.safetensors")}


def test_the_store_ends_whole_and_nothing_is_written_twice(manifest: Manifest, tmp_path: Path) -> None:
    path, store, log = tmp_path / "manifest.parquet", tmp_path / "store", tmp_path / "log"
    write_manifest(manifest, path)
    chance = random.Random(1)
    # The first victim works alone until it has written, so that at least two processes share the work on any machine.
    _kill_after(_start(path, store, log), 3 * SHARD_UTTERANCES, pause_s=0)
    survivor = _start(path, store, log)
    for kill in range(1, KILLS):
        done = chance.randrange(1 + 20 * kill, 20 + 20 * kill)
        _kill_after(_start(path, store, log), done, pause_s=chance.uniform(0, 0.05))
    late = _start(path, store, log)
    for process in (survivor, late):
        process.communicate()
        assert process.returncode == 0

    keyed = open_store(store, feature_key(PROFILE["speech"], STREAM))
    shards = -(-UTTERANCES // SHARD_UTTERANCES)
    assert keyed.verify() == shards
    written = [line.split() for line in log.read_text().splitlines()]
    assert {one[1] for one in written} == {"True"}
    digests = [digest for _, _, entries in written for digest in entries.split(",")]
    # A process may be killed between writing a shard and noting it, so the log is the lower bound, the store the truth.
    assert len(digests) == len(set(digests))
    assert shards - KILLS <= len(written) <= shards
    assert len({process for process, _, _ in written}) >= 2
    held = [digest for one in keyed.shard_files() for digest in keyed.open_shard(one.stem).entries()[0]]
    assert len(held) == len(set(held)) == UTTERANCES
    assert (keyed.read_index(manifest.hash)["steps"] > 0).all()
    left = {
        one.name for one in keyed.folder.rglob("*") if one.is_file() and one.suffix not in (".safetensors", ".part")
    }
    assert left == {"meta.json", f"index-{manifest.hash}.parquet"}

    extract_streams(
        manifest, streams=(STREAM,), profile=PROFILE, store=tmp_path / "alone", shard_utterances=SHARD_UTTERANCES
    )
    assert _contents(store) == _contents(tmp_path / "alone")
