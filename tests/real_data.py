"""Real data next to the project, which tests use if it exists."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"

EMODB = _SHARED / "data/emodb"
EMODB_TABLE = EMODB / "utterances.csv"
IEMOCAP_COUNTS = _SHARED / "design/iemocap-counts.json"

needs_emodb = pytest.mark.skipif(not EMODB_TABLE.is_file(), reason="EmoDB is not beside the project")
needs_iemocap_counts = pytest.mark.skipif(
    not IEMOCAP_COUNTS.is_file(), reason="the published counts of IEMOCAP are not beside the project"
)
