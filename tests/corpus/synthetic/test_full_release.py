"""The reader on a synthetic release of the real size; label and transcript files only, for recordings take minutes."""

import json

import pytest

from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest
from merflow.corpus.readers.iemocap import read_iemocap
from merflow.corpus.synthetic.files import write_texts
from merflow.corpus.synthetic.plan import plan
from merflow.corpus.validation.iemocap_release import compare_with_release
from tests.real_data import IEMOCAP_COUNTS, needs_iemocap_counts


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("full") / "IEMOCAP_full_release"
    for dialogue in plan("full", 0):
        write_texts(root / f"Session{dialogue.name.session}", dialogue, seed=0)
    return read_iemocap(root, taxonomy=taxonomy("iemocap4"))


def test_every_known_count_is_met_exactly(manifest: Manifest) -> None:
    compared = compare_with_release(manifest.rows)
    # The release is written without its recordings, and its texts are generated.
    assert compared.loc[compared["what"] == "recordings", "found"].tolist() == ["none"]
    counts = compared[~compared["what"].str.contains("recordings|checksum|sha", case=False)]
    assert len(counts) > 100
    assert counts[counts["expected"] != counts["found"]].empty


@needs_iemocap_counts
def test_tables_of_session_speaker_and_label_equal_the_public_ones(manifest: Manifest) -> None:
    known = json.loads(IEMOCAP_COUNTS.read_text())
    rows = manifest.rows
    assert len(rows) == 10_039
    labelled = rows[rows["emotion"].notna()]
    assert len(labelled) == known["total_4class"]
    short = {"angry": "ang", "happy": "hap", "neutral": "neu", "sad": "sad"}
    by_session = known["by_session_merged"]
    by_speaker = known["by_speaker_merged"]
    assert len(by_session) == 5
    assert len(by_speaker) == 10
    for column, table in (("session", by_session), ("speaker", by_speaker)):
        for name, counts in table.items():
            found = labelled[labelled[column] == name]["emotion"].map(short).value_counts().to_dict()
            assert found == {label: count for label, count in counts.items() if label != "total"}, name
    raw = known["all_labels_by_session_rapport"]
    for code in set(raw) - {"source", "total"}:
        found = [int((rows[rows["session"] == f"Session{n}"]["emotion_raw"] == code).sum()) for n in range(1, 6)]
        assert found == raw[code], code
    assert rows["speaker"].value_counts().to_dict() == known["all_utterances"]["by_speaker"]
