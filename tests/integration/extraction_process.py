"""An extraction in a separate process that logs every shard it writes.

Arguments: manifest, store, log. Every shard of this process is a line of the log; a line is whole or absent.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merflow.contracts.presets import EncoderSpec, Profile
from merflow.contracts.streams import Stream
from merflow.corpus.manifest import read_manifest
from merflow.features.encoders.interface import Prepared
from merflow.features.encoders.lite.speech import LiteSpeech
from merflow.features.extraction.stored_streams import Pace, extract_streams
from merflow.features.store.keyed import KeyedStore

STREAM = Stream("speech")
PROFILE: Profile = {"speech": EncoderSpec(name="lite-speech", settings={"mel_bands": 12, "window_s": 0.4})}
SHARD_UTTERANCES = 4


class NotingStore:
    """A store that appends the name of every written shard to a log shared by several processes."""

    def __init__(self, log: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write = KeyedStore.write_shard

    def write_shard(self, keyed: KeyedStore, digests: Sequence[str], arrays: Sequence[np.ndarray]) -> bool:
        """Write the shard and log it."""
        written = self._write(keyed, digests, arrays)
        os.write(self._log, f"{os.getpid()} {written} {','.join(digests)}\n".encode())
        return written


def slow_encode(_encoder: LiteSpeech, batch: Sequence[Prepared]) -> list[np.ndarray]:
    """Take as long as a small network would, so that there is time to be killed."""
    time.sleep(0.02)
    return [prepared.values for prepared in batch]


def _tell(stage: str, done: int, _total: int) -> None:
    sys.stdout.write(f"{stage} {done}\n")
    sys.stdout.flush()


def main(manifest: Path, store: Path, log: Path) -> None:
    """Fill the store."""
    noting = NotingStore(log)
    KeyedStore.write_shard = lambda *arguments: noting.write_shard(*arguments)  # type: ignore[method-assign]
    LiteSpeech.encode = slow_encode  # type: ignore[method-assign, assignment]
    extract_streams(
        read_manifest(manifest),
        streams=(STREAM,),
        profile=PROFILE,
        store=store,
        shard_utterances=SHARD_UTTERANCES,
        pace=Pace(workers=1, batch_cost={"audio": 100}),
        progress=_tell,
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
