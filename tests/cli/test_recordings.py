"""Bad recordings among good ones: validation lists each with its reason, and quarantine loses none."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from merflow.corpus.manifest import read_manifest
from tests.cli.command import merflow, refused
from tests.cli.tables import audio_table, spoil

pytest.importorskip("great_expectations")

LISTED = "correct the corpus, or set the bad utterances aside with --quarantine;"


@pytest.fixture(scope="module")
def spoilt(tiny_release: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    table = audio_table(tmp_path_factory.mktemp("corpus") / "table", tiny_release)
    return table, spoil(sorted(table.parent.glob("wav/*.wav")))


def test_validation_lists_each_bad_recording_and_quarantine_sets_it_aside(
    spoilt: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    table, reasons = spoilt
    manifest, out = tmp_path / "all.parquet", tmp_path / "checked"
    assert merflow("data", "index", "--corpus", "table", "--root", table, "--out", manifest).code == 0

    said = refused("data", "validate", manifest, "--out", out)
    assert said.startswith("merflow | recordings: 70/70")
    assert "error: 8 problems in 70 utterances\n" in said
    for utterance, reason in reasons.items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"  {utterance}: ")]
        assert reason in line
    assert said.endswith(f"{LISTED} {out}/summary.html shows all problems\n")
    assert sorted(path.name for path in out.iterdir()) == ["docs", "manifest.failed.txt", "summary.html"]

    done = merflow("data", "validate", manifest, "--out", out, "--quarantine")
    assert (done.code, done.out) == (0, "")
    assert (
        f"validate: 8 of 70 utterances set aside in {out}/quarantine.csv; summary in {out}/summary.html\n" in done.err
    )
    aside = pd.read_csv(out / "quarantine.csv").set_index("utterance_id")["reasons"]
    assert aside.index.tolist() == [name for name in read_manifest(manifest).rows["utterance_id"] if name in reasons]
    assert [name for name, reason in reasons.items() if reason not in aside[name]] == []
    kept = read_manifest(out / "manifest.parquet").rows["utterance_id"]
    assert len(kept) == 62
    assert {*kept, *aside.index} == set(read_manifest(manifest).rows["utterance_id"])


def test_a_benchmark_stops_with_the_list_and_continues_with_quarantine(
    spoilt: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    table, reasons = spoilt
    command = ["benchmark", "--corpus", "table", "--root", table, "--models", "context-mmt:wavlm-fc-frozen"]
    command += ["--protocol", "session5-only", "--out", tmp_path / "run", "--json"]
    command += ["--set", "training.max_epochs=1", "--set", "tracking.uri=none"]
    said = refused(*command)
    assert "error: 8 problems in 70 utterances\n" in said
    assert said.endswith(f"{LISTED} {tmp_path}/run/validation.html shows all problems\n")
    assert not (tmp_path / "run" / "manifest.parquet").exists()

    done = merflow(*command, "--quarantine")
    assert done.code == 0
    assert len(pd.read_csv(tmp_path / "run" / "quarantine.csv")) == len(reasons)
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {**json.loads(done.out), "format": written["format"], "written_by": written["written_by"]} == written
    assert [line for line in done.err.splitlines() if not line.startswith("merflow | ")] == []


def test_a_dialogue_without_audio_is_one_problem(tiny_release: Path, tmp_path: Path) -> None:
    release = shutil.copytree(tiny_release, tmp_path / "release")
    shutil.rmtree(release / "Session1/sentences/wav/Ses01F_impro01")
    manifest = tmp_path / "all.parquet"
    assert merflow("data", "index", "--corpus", "iemocap", "--root", release, "--out", manifest).code == 0

    lines = refused("data", "validate", manifest, "--out", tmp_path / "v").splitlines()
    assert lines[1:3] == [
        "error: 7 problems in 70 utterances",
        "  Ses01F_impro01_F000 and 6 more: dialogue Ses01F_impro01 has no audio in any of its 7 turns; restore it "
        "[every dialogue has audio]",
    ]
    done = merflow("data", "validate", manifest, "--out", tmp_path / "v", "--quarantine")
    assert (done.code, len(pd.read_csv(tmp_path / "v/quarantine.csv"))) == (0, 7)


def test_without_a_good_recording_none_is_set_aside(tiny_release: Path, tmp_path: Path) -> None:
    table = audio_table(tmp_path / "table", tiny_release)
    for path in table.parent.glob("wav/*.wav"):
        path.unlink()
    manifest, out = tmp_path / "all.parquet", tmp_path / "v"
    assert merflow("data", "index", "--corpus", "table", "--root", table, "--out", manifest).code == 0

    said = refused("data", "validate", manifest, "--out", out, "--quarantine")
    assert f"no utterance would be left: correct the corpus; {out}/summary.html shows all problems\n" in said
    assert sorted(path.name for path in out.iterdir()) == ["docs", "manifest.failed.txt", "summary.html"]


def test_a_sound_corpus_leaves_nothing_in_quarantine(tiny_release: Path, tmp_path: Path) -> None:
    manifest, out = tmp_path / "all.parquet", tmp_path / "v"
    assert merflow("data", "index", "--corpus", "synthetic", "--root", tiny_release, "--out", manifest).code == 0
    out.mkdir()
    (out / "quarantine.csv").write_text("of an earlier run\n")

    done = merflow("data", "validate", manifest, "--out", out, "--quarantine")
    assert "validate: 70 utterances meet all expectations" in done.err
    assert len(pd.read_csv(out / "quarantine.csv")) == 0
    assert read_manifest(out / "manifest.parquet").hash == read_manifest(manifest).hash
