"""Corpora that cannot be read: errors say what is wrong, where, and how to fix it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from merflow.corpus.manifest import read_manifest
from merflow.corpus.synthetic.identity import SYNTHETIC_MARK
from tests.cli.command import merflow, refused
from tests.cli.tables import HEADER, text_table


def index(corpus: str, root: Path) -> str:
    out = root.parent / "manifest.parquet"
    said = refused("data", "index", "--corpus", corpus, "--root", root, "--out", out)
    assert not out.exists()
    return said


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert (
        index("iemocap", gone) == f"error: no such folder: {gone}; pass the IEMOCAP_full_release folder with --root\n"
    )
    assert index("table", gone) == f"error: no such file: {gone}; pass a CSV file of utterances with --root\n"
    assert index("table", tmp_path) == f"error: {tmp_path} is a folder; pass the CSV file of utterances in it\n"
    assert index("iemocap", tmp_path).startswith(f"error: {tmp_path} is not an IEMOCAP release: it has no folder Ses")
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
def test_a_missing_manifest_is_named(command: tuple[str, ...], said: str) -> None:
    assert refused(*command) == f"error: no such file: gone; {said}\n"


def test_a_table_without_a_required_column_is_refused(tmp_path: Path) -> None:
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
        f"  {path} line 2 (u) and 1 more: label 'angri' is not a known emotion label (did you mean 'angry'?); "
        "correct it"
    )
    assert twice == f"  {path} line 4 (v): the id is also in line 3; rename or remove one"


def test_a_table_in_latin_1_is_refused(tmp_path: Path) -> None:
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
            "label 'new' is not a known emotion label (did you mean 'neu'?); correct it, or map it",
        ),
        (
            without(range(1, 6)),
            "release is not an IEMOCAP release: it has no folder Session1 .. Session5; pass the IEMO",
        ),
    ],
)
def test_a_damaged_release_is_refused_with_the_reason(
    tiny_release: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    spoil(release)
    assert said in index("iemocap", release)


def test_a_protocol_that_does_not_fit_the_corpus_is_refused(tiny_release: Path, tmp_path: Path) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    without(range(4, 6))(release)
    manifest = tmp_path / "manifest.parquet"
    assert merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", manifest).code == 0
    for protocol, needed, found in (
        (
            "session-5fold",
            "5 sessions",
            "has 3 (Session1, Session2, Session3); set splits.protocol=",
        ),
        (
            "session5-only",
            "5 sessions",
            "has 3 (Session1, Session2, Session3); set splits.protocol=",
        ),
        (
            "speaker-10fold",
            "10 speakers",
            "has 6 (Ses01_F, Ses01_M, Ses02_F, Ses02_M, Ses03_F, Ses03_M); set",
        ),
    ):
        said = refused("data", "split", manifest, "--protocol", protocol, "--out", tmp_path / "s.parquet")
        assert said.startswith(
            f"error: {protocol} needs exactly {needed} with labelled utterances, but the corpus {found}"
        )
    said = refused("data", "split", manifest, "--protocol", "official", "--out", tmp_path / "s.parquet")
    assert said.startswith("error: protocol 'official' does not suit corpus 'synthetic'; set splits.protocol")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.parquet", "release"]


def test_a_release_without_session_5_can_be_used_once_that_is_accepted(tiny_release: Path, tmp_path: Path) -> None:
    pytest.importorskip("great_expectations")
    release = shutil.copytree(tiny_release, tmp_path / "release")
    (release / SYNTHETIC_MARK).unlink()
    without(range(5, 6))(release)
    manifest, checked, folds = tmp_path / "all.parquet", tmp_path / "checked", tmp_path / "splits.parquet"
    assert merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", manifest).code == 0
    first = refused("data", "validate", manifest, "--out", checked).split("\n")[1]
    assert first.startswith("error: this is not IEMOCAP as released: Session5 is missing, and the four classes")
    assert first.endswith("which records it, and --protocol leave-one-session-out")
    said = refused("data", "split", checked / "manifest.parquet", "--out", folds)
    assert said.startswith(f"error: {checked / 'manifest.parquet'} was not written, because validation failed: this")
    assert f"see {checked / 'summary.html'}" in said

    accept = ("--set", "corpus.accept=[missing-sessions,four-classes,rare-labels]")
    assert merflow("data", "validate", manifest, "--out", checked, *accept).code == 0
    split = ("data", "split", checked / "manifest.parquet", "--protocol", "leave-one-session-out", "--out", folds)
    done = merflow(*split)
    assert done.code == 0
    assert "has 5 utterances of every class (splits.min_dev_per_class) in folds 1, 2, 3, 4" in done.err
    assert (
        "- Known difference from the release: missing-sessions: Session5 is missing"
        in folds.with_suffix(".md").read_text()
    )
    assert refused("data", "validate", manifest, "--out", checked).count("error: this is not IEMOCAP as released") == 1
    assert "was not written, because validation failed" in refused(*split), "the manifest of the earlier validation"
    assert "corpus.accept.0: " in refused(
        "data", "validate", manifest, "--out", checked, "--set", "corpus.accept=[all]"
    )


def test_a_release_without_recordings_can_be_indexed_for_its_words(tiny_release: Path, tmp_path: Path) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release", ignore=shutil.ignore_patterns("*.wav"))
    manifest = tmp_path / "all.parquet"
    said = merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", manifest)
    assert said.code == 0
    assert "the corpus has no recordings; models that read text alone can be trained on it" in said.err
    rows = read_manifest(manifest).rows
    assert rows["audio_path"].isna().all()
    assert rows["transcript"].notna().sum() > 50
    command = (
        "features",
        "extract",
        manifest,
        "--models",
        "context-mmt:wavlm-te-frozen",
        "--store",
        tmp_path / "store",
    )
    assert "needs audio, but corpus 'synthetic' in" in refused(*command, "--out", tmp_path / "features.json")


def test_an_official_split_with_a_speaker_in_two_parts_is_refused_or_recorded(tmp_path: Path) -> None:
    header = "utterance_id,speaker,session,emotion,transcript,official_split"
    rows = [
        f"{speaker}{emotion}{n},{speaker},A,{emotion},words {n},{'test' if speaker == 'eve' else 'training'}"
        for speaker in ("ann", "bob", "cid", "dan", "eve")
        for emotion in ("angry", "happy", "neutral", "sad")
        for n in range(5)
    ]
    manifest, folds = tmp_path / "m.parquet", tmp_path / "s.parquet"
    path = text_table(tmp_path, *rows, "x,ann,A,sad,words,test", header=header)
    assert merflow("data", "index", "--corpus", "table", "--root", path, "--out", manifest).code == 0
    command = ("data", "split", manifest, "--protocol", "official", "--out", folds)
    assert refused(*command).split("\n")[:2] == [
        "error: the official split has speakers or dialogues in two parts",
        "  speaker ann is in train (20 utterances: annangry0, ...) and test (1 utterance: x)",
    ]
    assert merflow(*command, "--set", "splits.shared_speakers=record").code == 0
    assert "- speakers in both train and test, 1: ann" in folds.with_suffix(".md").read_text()
    path = text_table(tmp_path, "x,ann,A,sad,words,tests", header=header)
    assert index("table", path).endswith("official_split 'tests' is unknown; did you mean 'test'?\n")


def test_a_taxonomy_maps_every_label_once(tmp_path: Path) -> None:
    path = text_table(tmp_path, "u,s,A,joy,x", "v,s,A,anger,x", "w,s,A,bored,x")
    mine, out = tmp_path / "mine.yaml", tmp_path / "m.parquet"
    command = ("data", "index", "--corpus", "table", "--root", path, "--out", out, "--set", f"corpus.taxonomy={mine}")
    mine.write_text("classes: {good: [joy], bad: [anger, joy]}")
    assert f"taxonomy {mine}: 1 problem\n  label 'joy' is mapped twice, to good and to bad; keep one" in refused(
        *command
    )
    mine.write_text("classes: {good: [joy], bad: [anger]}")
    assert "label 'bored' is neither in a class of taxonomy mine nor among its dropped labels" in refused(*command)
    mine.write_text("classes: {good: [joy], bad: [anger]}\ndropped: [bored]")
    assert merflow(*command).code == 0
    mine.unlink()
    assert read_manifest(out).rows["emotion"].dropna().tolist() == ["good", "bad"]
