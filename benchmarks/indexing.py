"""The cost of indexing: synthetic releases of two sizes, next to a walk that only opens each recording's header.

The larger release has the real corpus' 10,039 turns. Time per thousand turns and memory should not grow with the
size.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from merflow.corpus.synthetic.release import synthesize

_MEASURED = """
import json, re, sys, time
from pathlib import Path
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.iemocap import read_iemocap
import soundfile

root = Path(sys.argv[1])
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
before, started = peak(), time.perf_counter()
rows = read_iemocap(root, taxonomy=taxonomy("iemocap4")).rows
read_s, grown = time.perf_counter() - started, peak() - before
started = time.perf_counter()
headers = [soundfile.info(str(path)) for path in sorted(root.glob("Session*/sentences/wav/*/[!.]*.wav"))]
print(json.dumps({"turns": len(rows), "read_s": read_s, "headers_s": time.perf_counter() - started,
                  "headers": len(headers), "grown_mib": grown}))
"""


def measure(root: Path) -> dict[str, Any]:
    """Measure one release in a fresh process."""
    done = subprocess.run([sys.executable, "-c", _MEASURED, str(root)], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {
        **found,
        "read_s_per_1000_turns": 1000 * found["read_s"] / found["turns"],
        "ratio_to_plain_header_walk": found["read_s"] / found["headers_s"],
    }


def main() -> None:
    """Generate, measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["small", "full"])
    options = parser.parse_args()
    figures = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            root = synthesize(Path(scratch) / size, size=size)
            measure(root)  # once to warm the page cache
            figures[size] = measure(root)
            print(size, figures[size])
    write_result("indexing", figures)


if __name__ == "__main__":
    main()
