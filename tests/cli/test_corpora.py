"""Corpora that cannot be read: what is wrong, where, and how to mend it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from merflow.corpus.manifest import read_manifest
from tests.cli.command import merflow, refused
from tests.cli.tables import HEADER, text_table


def index(corpus: str, root: Path) -> str:
    out = root.parent / "manifest.parquet"
    said = refused("data", "index", "--corpus", corpus, "--root", root, "--out", out)
    assert not out.exists()
    return said


def test_a_missing_folder_or_file(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert (
        index("iemocap", gone) == f"error: no such folder: {gone}; pass the IEMOCAP_full_release folder with --root\n"
    )
    assert index("table", gone) == f"error: no such file: {gone}; pass a CSV file of utterances with --root\n"
    assert index("table", tmp_path) == f"error: {tmp_path} is a folder; pass the CSV file of utterances in it\n"
    assert index("iemocap", tmp_path).startswith(f"error: {tmp_path} is no IEMOCAP release: it has no folder Ses")
    assert index("iemokap", gone) == "error: unknown corpus 'iemokap'; did you mean 'iemocap'?\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("data", "validate", "gone", "--out", "x"), "pass a manifest that `merflow data index` wrote"),
        (("data", "split", "gone", "--out", "x"), "pass a manifest that `merflow data index` wrote"),
        (
            ("features", "extract", "gone", "--models", "context-mmt:mmt-frozen", "--store", "x", "--out", "x"),
            "pass a manifest that `merflow data index` wrote",
        ),
    ],
)
def test_a_missing_manifest(command: tuple[str, ...], said: str) -> None:
    assert refused(*command) == f"error: no such file: gone; {said}\n"


def test_a_table_without_needed_columns(tmp_path: Path) -> None:
    path = text_table(tmp_path, "u,s,A,sad,x", header=HEADER.replace("emotion", "emotoin"))
    assert index("table", path) == (
        f"error: {path} lacks the required column 'emotion' ('emotoin' may be a misspelling); "
        "its header is utterance_id,speaker,session,emotoin,transcript\n"
    )


def test_unknown_labels_and_duplicate_ids_are_listed_together(tmp_path: Path) -> None:
    path = text_table(tmp_path, "u,s,A,angri,x", "v,s,A,sad,x", "v,s,A,sad,x", "w,s,A,angri,x")
    head, label, twice = index("table", path).splitlines()
    assert head == "error: 3 of 4 rows are wrong"
    assert label.startswith(
        f"  {path} line 2 (u) and 1 more: label 'angri' is no known emotion label (did you mean 'angry'?); correct it"
    )
    assert twice == f"  {path} line 4 (v): the id is also in line 3; rename or remove one"


def test_a_table_in_latin_1(tmp_path: Path) -> None:
    path = text_table(tmp_path, "u,s,A,sad,x", "v,s,A,sad,schön")
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    assert index("table", path) == (
        f"error: {path} is not UTF-8: byte 0xf6 at position 73, line 3 (Latin-1, or another encoding); "
        "save the file as UTF-8\n"
    )


def test_files_of_a_release_in_latin_1_are_read(tiny_release: Path, tmp_path: Path) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    folder = release / "Session2" / "dialog"
    labels = next(folder.glob("EmoEvaluation/Ses*.txt"))
    labels.write_bytes(labels.read_bytes() + "C-F9:\tNeutral;\t(naïve)\n".encode("latin-1"))
    words = folder / "transcriptions" / labels.name
    first, rest = words.read_bytes().split(b"\n", 1)
    words.write_bytes(first + " café\n".encode("latin-1") + rest)
    out = tmp_path / "manifest.parquet"

    said = merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", out)
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("merflow | index: 70 utterances, 60 with an emotion of iemocap4, hash ")
    transcripts = read_manifest(out).rows["transcript"].dropna()
    assert transcripts[transcripts.str.endswith(" café")].size == 1


def without(sessions: range) -> Callable[[Path], None]:
    def remove(release: Path) -> None:
        for session in sessions:
            shutil.rmtree(release / f"Session{session}")

    return remove


def without_labels(release: Path) -> None:
    for path in release.glob("Session4/dialog/EmoEvaluation/Ses*.txt"):
        path.unlink()


def with_unknown_code(release: Path) -> None:
    path = release / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("\tneu\t", "\tnew\t", 1))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            without_labels,
            "Session4/dialog/EmoEvaluation has no label file like Ses04F_impro01.txt; copy the session again",
        ),
        (
            with_unknown_code,
            "label 'new' is no known emotion label (did you mean 'neu'?); correct it, or map it",
        ),
        (without(range(1, 6)), "release is no IEMOCAP release: it has no folder Session1 .. Session5; pass the IEMO"),
    ],
)
def test_a_release_that_lacks_something(
    tiny_release: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    spoil(release)
    assert said in index("iemocap", release)


def test_a_protocol_that_does_not_fit_the_corpus(tiny_release: Path, tmp_path: Path) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    without(range(4, 6))(release)
    manifest = tmp_path / "manifest.parquet"
    assert merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", manifest).code == 0
    for protocol, needed, found in (
        ("session-5fold", "5 sessions", "has 3 (Session1, Session2, Session3)"),
        ("session5-only", "5 sessions", "has 3 (Session1, Session2, Session3)"),
        ("speaker-10fold", "10 speakers", "has 6 (Ses01_F, Ses01_M, Ses02_F, Ses02_M, Ses03_F, Ses03_M)"),
    ):
        said = refused("data", "split", manifest, "--protocol", protocol, "--out", tmp_path / "s.parquet")
        assert said.startswith(
            f"error: {protocol} needs exactly {needed} with labelled utterances, but the corpus {found}; choose "
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.parquet", "release"]
