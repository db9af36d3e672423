import os
from pathlib import Path

from merflow.storage.fingerprints import files_fingerprint, folder_fingerprint


def test_a_folder_changes_with_any_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "wavlm-large").mkdir()
    (tmp_path / "wavlm-large/config.json").write_text("{}")
    found = [folder_fingerprint(tmp_path)]
    (tmp_path / "wavlm-large/config.json").write_text("{ }")
    found.append(folder_fingerprint(tmp_path))
    (tmp_path / "wavlm-large/model.safetensors").write_bytes(b"weights")
    found.append(folder_fingerprint(tmp_path))
    assert len(set(found)) == 3
    assert folder_fingerprint(tmp_path) == found[-1]


def test_a_folder_changes_with_the_time_of_a_file(tmp_path: Path) -> None:
    label = tmp_path / "Session1" / "dialog.txt"
    label.parent.mkdir()
    label.write_text("neu")
    before = folder_fingerprint(tmp_path)
    os.utime(label, (1, 1))
    assert folder_fingerprint(tmp_path) != before


def test_a_missing_file_counts_as_missing(tmp_path: Path) -> None:
    absent = files_fingerprint([tmp_path / "a.wav"])
    (tmp_path / "a.wav").write_bytes(b"")
    assert files_fingerprint([tmp_path / "a.wav"]) != absent


def test_given_content_counts() -> None:
    assert files_fingerprint([], content=b"a") != files_fingerprint([], content=b"b")
