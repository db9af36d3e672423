"""Public counts of the real IEMOCAP release: a release is validated against them, and a synthetic one is made by them.

They come from the id and label lists of two public benchmarks and from one published inventory, which agree. They
contain no labelled utterance, no transcript and no audio of the corpus.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")
MERGED = {"ang": "ang", "exc": "hap", "hap": "hap", "neu": "neu", "sad": "sad"}  # the usual four classes


@cache
def iemocap_counts() -> dict[str, Any]:
    """Return the counts by their names in the JSON file next to this module."""
    counts: dict[str, Any] = json.loads(Path(__file__).with_name("iemocap_counts.json").read_text(encoding="utf-8"))
    return counts
