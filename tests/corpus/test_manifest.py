from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from merflow.contracts.corpus_validation import Validation
from merflow.contracts.tables import MANIFEST
from merflow.contracts.taxonomy import Taxonomy, parse_taxonomy
from merflow.corpus.manifest import Manifest, build_manifest, read_manifest, recording_of, write_manifest
from merflow.corpus.samples import Excerpt
from merflow.errors import CorpusError, MerflowError


def row(utterance: str, *, dialogue: str, turn: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
    return {
        "utterance_id": utterance,
        "dialogue_id": dialogue,
        "turn_index": turn,
        "session": "Session1",
        "speaker": "anna",
        **more,
    }


ROWS = [
    row("b1", dialogue="b", turn=1, transcript="", n_samples=16000, rate_hz=16000, scripted=True),
    row("b0", dialogue="b", turn=0, transcript="schön", valence=2.5),
    row("a0", dialogue="a", turn=0, emotion_raw="exc", emotion="happy"),
]


def manifest(root: Path) -> Manifest:
    return build_manifest(ROWS, root=root, corpus="table", taxonomy="iemocap4")


def test_rows_are_sorted_and_conform(tmp_path: Path) -> None:
    rows = manifest(tmp_path).rows
    assert list(rows.columns) == MANIFEST.names
    assert rows["utterance_id"].tolist() == ["a0", "b0", "b1"]
    assert rows.index.tolist() == [0, 1, 2]
    assert rows["corpus"].unique().tolist() == ["table"]


def test_hash_is_that_of_the_rows_alone(tmp_path: Path) -> None:
    first = manifest(tmp_path)
    assert len(first.hash) == 16
    assert int(first.hash, 16) >= 0
    elsewhere = build_manifest(ROWS[::-1], root=tmp_path / "elsewhere", corpus="table", taxonomy="iemocap6")
    assert elsewhere.hash == first.hash


def test_hash_is_the_same_on_every_machine() -> None:
    # Written down once: a change of this value means that every corpus gets a new version.
    assert manifest(Path("/")).hash == "6442686503a000f0"


@pytest.mark.parametrize(
    ("column", "value"),
    [("transcript", "schon"), ("transcript", None), ("valence", 2.5000000000000004), ("rate_hz", 8000)],
)
def test_the_hash_changes_with_one_cell(tmp_path: Path, column: str, value: object) -> None:
    changed = [{**ROWS[0], column: value}, *ROWS[1:]]
    assert build_manifest(changed, root=tmp_path, corpus="table", taxonomy="iemocap4").hash != manifest(tmp_path).hash


def test_a_written_manifest_reads_back_equal(tmp_path: Path) -> None:
    written = manifest(tmp_path)
    write_manifest(written, tmp_path / "deep" / "manifest.parquet")
    back = read_manifest(tmp_path / "deep" / "manifest.parquet")
    pd.testing.assert_frame_equal(back.rows, written.rows)
    assert (back.root, back.corpus, back.taxonomy.name, back.hash) == (tmp_path, "table", "iemocap4", written.hash)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["manifest.parquet"]


def test_rows_set_aside_make_another_manifest(tmp_path: Path) -> None:
    whole = manifest(tmp_path)
    part = replace(whole, rows=whole.rows.iloc[1:].reset_index(drop=True))
    write_manifest(part, tmp_path / "part.parquet")
    assert read_manifest(tmp_path / "part.parquet").hash == part.hash != whole.hash


def test_a_row_without_speaker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MerflowError, match="column 'speaker' has no value in row 0"):
        build_manifest([{**ROWS[2], "speaker": None}], root=tmp_path, corpus="table", taxonomy="iemocap4")


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MerflowError, match="manifest of"):
        build_manifest([{**ROWS[2], "turn_index": "first"}], root=tmp_path, corpus="table", taxonomy="iemocap4")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no such file: .*none\.parquet"):
        read_manifest(tmp_path / "none.parquet")


def test_garbled_file(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    write_manifest(manifest(tmp_path), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorpusError, match="is not a readable Parquet file"):
        read_manifest(path)


def test_another_table(tmp_path: Path) -> None:
    path = tmp_path / "splits.parquet"
    pd.DataFrame({"fold": [1]}).to_parquet(path)
    with pytest.raises(CorpusError, match=r"splits\.parquet is not a manifest: .*missing columns \['utterance_id'"):
        read_manifest(path)


def test_rows_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    manifest(tmp_path).rows.to_parquet(path)
    with pytest.raises(CorpusError, match="metadata lacks root, corpus, taxonomy, tags, accepted, hash; index"):
        read_manifest(path)


def test_rows_changed_after_writing(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    written = manifest(tmp_path)
    write_manifest(written, path)
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(CorpusError, match=f"was changed after it was written: .* the recorded {written.hash}"):
        read_manifest(path)


def test_a_manifest_holds_its_taxonomy(tmp_path: Path) -> None:
    mine = parse_taxonomy({"classes": {"sad": ["sad"], "angry": ["angry"]}, "dropped": ["happy"]}, where="it")
    made = build_manifest(ROWS, root=tmp_path, corpus="table", taxonomy=mine)
    write_manifest(made, tmp_path / "m.parquet")
    back = read_manifest(tmp_path / "m.parquet")
    assert (back.taxonomy, back.classes) == (mine, ("sad", "angry"))
    assert len({back.hash, manifest(tmp_path).hash, replace(back, taxonomy=mine_reversed(mine)).hash}) == 3


def mine_reversed(mine: Taxonomy) -> Taxonomy:
    return replace(mine, classes=mine.classes[::-1])


@pytest.mark.parametrize(
    ("column", "value"), [("official_split", "train"), ("sentiment", -1 / 3), ("audio_of_dialogue", True)]
)
def test_a_rare_column_is_part_of_the_version_where_there_is_one(tmp_path: Path, column: str, value: object) -> None:
    plain = manifest(tmp_path)
    filled = replace(plain, rows=plain.rows.assign(**{column: value}))
    assert filled.hash != plain.hash


def test_the_outcome_of_the_validation_travels_with_the_manifest_and_changes_no_hash(tmp_path: Path) -> None:
    plain, path = manifest(tmp_path), tmp_path / "manifest.parquet"
    write_manifest(plain, path)
    assert read_manifest(path).validation is None
    outcome = Validation(passed=True, checks=7, failed=("ids are unique",), set_aside=2)
    write_manifest(replace(plain, validation=outcome), path)
    read = read_manifest(path)
    assert (read.validation, read.hash) == (outcome, plain.hash)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"validation": b'{"passed": 1}'}), path)
    with pytest.raises(CorpusError, match=r"does not contain the outcome of its validation .*; validate it again"):
        read_manifest(path)


def test_a_recording_is_the_utterances_own_or_a_part_of_the_dialogues(tmp_path: Path) -> None:
    times = {"start_s": 1.5, "end_s": 2.25}
    rows = [
        row("own", dialogue="a", turn=0, audio_path="own.wav", **times),
        row("part", dialogue="a", turn=1, audio_path="a.wav", audio_of_dialogue=True, **times),
        row("silent", dialogue="a", turn=2),
    ]
    made = build_manifest(rows, root=tmp_path, corpus="table", taxonomy="iemocap4")
    found = [recording_of(each, root=tmp_path) for each in made.rows.to_dict("records")]
    assert found == [tmp_path / "own.wav", Excerpt(tmp_path / "a.wav", 1.5, 2.25), None]
