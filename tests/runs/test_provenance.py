import os
from pathlib import Path

import pytest

from merflow.runs.provenance import code_digest, code_digests, corpus_fingerprint, folder_fingerprint

TABLE = "utterance_id,speaker,session,emotion,audio_path\na,1,S1,happy,a.wav\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    path = tmp_path / "utterances.csv"
    path.write_text(TABLE)
    return path


def test_a_table_changes_with_its_text_and_its_recordings(table: Path) -> None:
    first = corpus_fingerprint(table)
    (table.parent / "a.wav").write_bytes(b"RIFF, longer")
    second = corpus_fingerprint(table)
    table.write_text(TABLE.replace("happy", "sad"))
    third = corpus_fingerprint(table)
    assert len({first, second, third}) == 3


def test_a_table_does_not_change_with_its_neighbours(table: Path) -> None:
    before = corpus_fingerprint(table)
    (table.parent / "results.json").write_text("{}")
    assert corpus_fingerprint(table) == before


def test_a_release_changes_with_any_of_its_files(tmp_path: Path) -> None:
    label = tmp_path / "Session1" / "dialog.txt"
    label.parent.mkdir()
    label.write_text("neu")
    before = corpus_fingerprint(tmp_path)
    os.utime(label, (1, 1))
    assert corpus_fingerprint(tmp_path) != before


def test_a_folder_of_models_changes_with_any_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "wavlm-large").mkdir()
    (tmp_path / "wavlm-large/config.json").write_text("{}")
    found = [folder_fingerprint(tmp_path)]
    (tmp_path / "wavlm-large/config.json").write_text("{ }")
    found.append(folder_fingerprint(tmp_path))
    (tmp_path / "wavlm-large/model.safetensors").write_bytes(b"weights")
    found.append(folder_fingerprint(tmp_path))
    assert len(set(found)) == 3
    assert folder_fingerprint(tmp_path) == found[-1]


def test_every_step_has_its_own_digest_of_code() -> None:
    digests = code_digests()
    assert {"plan", "index", "validate", "transcribe", "split", "presets", "extract", "train"} < digests.keys()
    assert len(set(digests.values())) == len(digests)
    assert code_digest("train") == digests["train"]
