"""The one list of corpora: every other module asks it, and none compares a corpus with a name."""

import ast
from pathlib import Path

import pytest

import merflow
from merflow.contracts.params_files import shipped_params
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.readers.catalogue import READERS, check_protocol, reader, with_usual_protocol
from merflow.errors import CorpusError, SplitError

SOURCE = Path(merflow.__path__[0])
REPOSITORY = SOURCE.parents[1]
TABLE = "utterance_id,speaker,session,emotion,audio_path\na,1,S1,happy,a.wav\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    path = tmp_path / "utterances.csv"
    path.write_text(TABLE)
    return path


def test_each_reader_makes_a_manifest(
    tiny_table: Path, tiny_release: Path, tiny_mosei: Path, mosei_pickles: Path
) -> None:
    roots = {"iemocap": tiny_release, "synthetic": tiny_release, "table": tiny_table, "synthetic-table": tiny_table}
    roots |= {"mosei": tiny_mosei, "synthetic-mosei": tiny_mosei}
    roots |= dict.fromkeys(("mosei-pickle", "synthetic-mosei-pickle"), mosei_pickles / "unaligned_50.pkl")
    sizes = {name: len(entry.read(roots[name], taxonomy=taxonomy("iemocap4")).rows) for name, entry in READERS.items()}
    releases = {"iemocap": 70, "synthetic": 70, "mosei": 84, "synthetic-mosei": 84}
    assert sizes == releases | {
        "mosei-pickle": 100,
        "synthetic-mosei-pickle": 100,
        "table": 140,
        "synthetic-table": 140,
    }


def test_an_unknown_corpus_names_the_nearest() -> None:
    with pytest.raises(CorpusError, match="unknown corpus 'iemokap'; did you mean 'iemocap'"):
        reader("iemokap")


def test_a_protocol_that_does_not_suit_a_corpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = READERS["table"]
    fixed = type(entry)(entry.read, root=entry.root, protocols=("speaker-10fold", "session5-only"))
    monkeypatch.setitem(READERS, "fixed", fixed)
    check_protocol("fixed", "speaker-10fold")
    with pytest.raises(SplitError, match=r"does not suit corpus 'fixed'; set splits.protocol to speaker-10fold or "):
        check_protocol("fixed", "session-5fold")


def test_every_corpus_has_a_usual_protocol() -> None:
    splits = shipped_params().splits
    assert splits.protocol == "auto"
    usual = {name: with_usual_protocol(splits, kind=kind).protocol for name, kind in READERS.items()}
    assert usual == {
        **dict.fromkeys(("iemocap", "synthetic", "synthetic-table"), "session-5fold"),
        **dict.fromkeys(("mosei", "mosei-pickle", "synthetic-mosei", "synthetic-mosei-pickle"), "official"),
        "table": "auto",
    }
    for name, protocol in usual.items():
        check_protocol(name, protocol)
        check_protocol(name, "auto")
        named = splits.model_copy(update={"protocol": "speaker-10fold"})
        assert with_usual_protocol(named, kind=reader(name)) == named


def test_a_table_changes_with_its_text_and_its_recordings(table: Path) -> None:
    fingerprint = READERS["table"].fingerprint
    first = fingerprint(table)
    (table.parent / "a.wav").write_bytes(b"RIFF, longer")
    second = fingerprint(table)
    table.write_text(TABLE.replace("happy", "angry"))
    assert len({first, second, fingerprint(table)}) == 3


def test_a_table_does_not_change_with_its_neighbours(table: Path) -> None:
    before = READERS["table"].fingerprint(table)
    (table.parent / "results.json").write_text("{}")
    assert READERS["table"].fingerprint(table) == before


def test_a_release_changes_with_any_of_its_files(tmp_path: Path) -> None:
    before = READERS["iemocap"].fingerprint(tmp_path)
    (tmp_path / "Session1").mkdir()
    (tmp_path / "Session1/dialog.txt").write_text("neu")
    assert READERS["iemocap"].fingerprint(tmp_path) != before


def test_no_other_module_compares_with_the_name_of_a_corpus() -> None:
    files = [
        path
        for folder in (SOURCE, REPOSITORY / "components", REPOSITORY / "pipelines")
        for path in sorted(folder.rglob("*.py"))
    ]
    assert len(files) > 150
    found = [
        f"{path.relative_to(REPOSITORY)} line {node.lineno}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        and any(isinstance(each, ast.Constant) and each.value in READERS for each in (node.left, *node.comparators))
    ]
    assert found == []
