import errno
import os
from pathlib import Path

import pytest

from merflow.errors import OutputError
from merflow.storage.local import output_errors, replacing, replacing_folder, write_json


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError):
        write_half(path)
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert os.listdir(tmp_path) == ["table.json"]  # noqa: PTH208 - hidden files count


def write_half(path: Path) -> None:
    with replacing(path) as part:
        part.write_text("half")
        raise ZeroDivisionError


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "fold").mkdir()
    (tmp_path / "fold" / "old").touch()
    write_folder(tmp_path / "fold")
    assert [path.name for path in (tmp_path / "fold").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["fold"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_place_is_named(code: int, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"cannot write {tmp_path}.*{os.strerror(code)}"), output_errors(tmp_path):
        raise OSError(code, os.strerror(code))


def test_a_folder_is_in_the_way_of_a_file_and_a_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / 'folder'}: Is a directory; remove what is in"):
        write_json(tmp_path / "folder", 1)
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / 'file'}: Not a directory; remove what is in"):
        write_folder(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]  # noqa: PTH208 - hidden files count


def write_folder(path: Path) -> None:
    with replacing_folder(path) as part:
        (part / "new").touch()


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_json(tmp_path / "file" / "x.json", 1)


def test_other_errors_of_the_system_are_our_own() -> None:
    with pytest.raises(InterruptedError), output_errors(Path("x")):
        raise OSError(errno.EINTR, "interrupted")
