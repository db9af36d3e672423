import json
from pathlib import Path

import pytest

from merflow.contracts.params import Params
from merflow.corpus.manifest import read_manifest
from merflow.errors import FeatureError
from merflow.jobs import steps
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.source import Source, synthetic_release
from merflow.presets.plan import read_video
from merflow.runs.workspace import Workspace

SECTIONS = {"splits_params": "", "features_params": "", "plan_params": ""}


@pytest.mark.parametrize(
    ("variants", "video"),
    [
        (["context-mmt:mmt-frozen", "foal-net:audio-only", "gia-mic:st"], False),
        (["mfdr:full", "foal-net:video-only"], True),
        (["gia-mic:full"], True),
    ],
)
def test_the_plan_says_whether_a_variant_reads_video(variants: list[str], video: bool) -> None:
    assert read_video(variants) is video
    items, told = steps.plan(variants, **SECTIONS)
    assert items == [f"{variant}:{fold}" for variant in variants for fold in range(1, 6)]
    assert told is video


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


def test_a_synthetic_corpus_is_drawn_with_video_where_it_is_read(workspace: Workspace) -> None:
    pytest.importorskip("av")
    steps.index(
        corpus="synthetic",
        root="",
        size="tiny",
        video=True,
        workspace=str(workspace.root),
        params="",
        manifest=str(workspace.root / "manifest.parquet"),
    )
    rows = read_manifest(workspace.root / "manifest.parquet").rows
    assert len(rows) == 70
    assert rows["video_path"].notna().all()
    assert set(rows["video_side"]) == {"left", "right"}


def test_the_release_without_video_has_a_place_of_its_own(workspace: Workspace) -> None:
    source = Source("synthetic", size="tiny")
    plain = source.place(workspace, video=False)
    assert plain == workspace.corpus / "tiny"
    assert json.loads((plain / "SYNTHETIC.json").read_text())["video"] is None
    assert not list(plain.rglob("*.avi"))


def test_a_release_says_what_is_there_also_the_second_time(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    out = workspace.root / "drawn"
    there = f"merflow | synthesize: tiny release, seed 3, 10 dialogues, 70 turns in {out}"
    for said in (there, f"{there}, there already"):
        synthetic_release(out, size="tiny", seed=3)
        assert capsys.readouterr().err.splitlines()[-1] == said


def test_a_release_without_video_says_how_to_get_some(tiny_release: Path, params: Params, tmp_path: Path) -> None:
    index(tiny_release, corpus="synthetic", out=tmp_path / "m.parquet", params=params.corpus)
    with pytest.raises(FeatureError, match="or draw the release with it") as refused:
        extract(
            tmp_path / "m.parquet",
            variants=["gia-mic:v"],
            store=tmp_path / "store",
            out=tmp_path / "features.json",
            params=params.features,
            corpus=params.corpus,
        )
    assert str(refused.value) == (
        f"role 'video' needs video, but corpus 'synthetic' in {tiny_release} has no 'video_path' in any of its 70 "
        "utterances; choose variants that do without video or draw the release with it "
        "(`merflow data synthesize --video`)"
    )
    assert not (tmp_path / "store").exists()
