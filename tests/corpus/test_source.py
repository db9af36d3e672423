"""Corpora on disk and corpora that are generated on first use."""

import json
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.contracts.requests import IndexRequest
from merflow.corpus.manifest import read_manifest
from merflow.corpus.readers.catalogue import READERS
from merflow.corpus.source import CorpusSource, generator_of
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import CorpusError
from merflow.jobs import steps
from merflow.runs.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


def test_a_synthetic_corpus_is_drawn_with_video_where_it_is_read(workspace: Workspace, params: Params) -> None:
    pytest.importorskip("av")
    request = IndexRequest(
        corpus="synthetic",
        root="",
        size="tiny",
        video=True,
        workspace=str(workspace.root),
        params=params.corpus,
        data="",
        code="",
    )
    steps.index(request.to_json(), manifest=str(workspace.root / "manifest.parquet"))
    rows = read_manifest(workspace.root / "manifest.parquet").rows
    assert len(rows) == 70
    assert rows["video_path"].notna().all()
    assert set(rows["video_side"]) == {"left", "right"}


def test_the_release_without_video_has_a_folder_of_its_own(workspace: Workspace) -> None:
    source = CorpusSource("synthetic", size="tiny")
    plain = source.locate(workspace.corpus, video=False)
    assert plain == workspace.corpus / "tiny"
    assert json.loads((plain / "SYNTHETIC.json").read_text())["video"] is None
    assert not list(plain.rglob("*.avi"))


def test_no_two_kinds_of_generated_corpora_share_a_folder(workspace: Workspace) -> None:
    sources = [CorpusSource(name, size=size) for name, kind in READERS.items() if kind.synthetic for size in kind.sizes]
    names = {source.generated_name(video=video) for source in sources for video in (False, True)}
    assert len(names) == 2 * len(sources) == 2 * 13
    table = CorpusSource("synthetic-table", size="tiny").locate(workspace.corpus, video=True)
    assert table == workspace.corpus / "table-tiny-video/utterances.csv"


def test_a_release_says_what_it_holds_the_second_time_too(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    out = workspace.root / "drawn"
    line = f"merflow | synthesize: tiny release, seed 3, 10 dialogues, 70 turns in {out}"
    for expected in (line, f"{line} (already there)"):
        synthesize(out, size="tiny", seed=3)
        assert capsys.readouterr().err.splitlines()[-1] == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (CorpusSource("iemokap"), "unknown corpus 'iemokap'; did you mean 'iemocap'?"),
        (CorpusSource("iemocap"), "corpus 'iemocap' needs a root; pass the IEMOCAP_full_release folder with --root"),
        (CorpusSource("table", Path("nowhere.csv")), "no such file or folder: nowhere.csv; pass the CSV file of ut"),
        (CorpusSource("synthetic", size="tny"), "unknown size 'tny' of corpus 'synthetic'; did you mean 'tiny'?"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(source: CorpusSource, message: str) -> None:
    with pytest.raises(CorpusError) as refused:
        source.check(protocol="session-5fold")
    assert str(refused.value).startswith(message)


def test_only_generated_corpora_have_a_generator(tmp_path: Path) -> None:
    root = generator_of("synthetic-mosei")(tmp_path / "mosei", size="tiny", seed=3, video=False)
    assert json.loads((root / "SYNTHETIC.json").read_text())["seed"] == 3
    with pytest.raises(CorpusError, match=r"'mosei' cannot be generated; choose --corpus synthetic or synthetic-mosei"):
        generator_of("mosei")
