"""A program that stops transfers at random moments: ``python -m tests.storage.s3.stopping SOURCE ADDRESS SEED COUNT``.

It prints how many transfers were stopped and how many were done before.
"""

import faulthandler
import random
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from merflow.storage.s3.fetching import fetch
from merflow.storage.s3.publishing import publish
from merflow.storage.s3.retries import StoppedError
from merflow.storage.s3.transfers import Transfers

LONGEST_S = 100.0  # for all of them; a program that takes longer says where it waits, and ends


def main() -> None:
    """Stop uploads and downloads in turn."""
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    source, address, count = Path(sys.argv[1]), S3Address.parse(sys.argv[2]), int(sys.argv[4])
    chance, client, ends = random.Random(int(sys.argv[3])), connect(), Counter[str]()
    with Transfers(client) as transfers:
        publish(source, address / "whole", transfers)
    for number in range(count):
        with TemporaryDirectory() as scratch, suppress(StoppedError), Transfers(client) as transfers:
            timer = threading.Timer(chance.uniform(0, 0.4), transfers.stop)
            timer.start()
            ends["stopped"] += 1
            if number % 2:
                publish(source, address / f"{number}", transfers)
            else:
                fetch(address / "whole", Path(scratch) / "copy", transfers)
            ends["stopped"] -= 1
            ends["done"] += 1
            timer.cancel()
    sys.stdout.write(f"stopped {ends['stopped']}, done {ends['done']}\n")


if __name__ == "__main__":
    main()
