"""``merflow tune`` as a person types it."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.command import Said, merflow, refused
from tests.cli.terminal import COLUMNS, show
from tests.tuning.postgres import missing, server

pytest.importorskip("great_expectations")

VARIANT = "context-mmt:bert-fc-frozen"


def command(release: Path, out: Path) -> list[str]:
    words = ["tune", VARIANT, "--trials", "3", "--workers", "1", "--folds", "1", "--out", str(out)]
    words += ["--corpus", "iemocap", "--root", str(release), "--protocol", "session5-only"]
    return [*words, "--set", "tracking.uri=none", "--set", "training.max_epochs=3"]


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs a terminal of its own")
def test_ctrl_c_leaves_nothing_broken_and_the_same_command_continues(tiny_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-m", "merflow", *command(tiny_release, out)]
    stopped = show(words, interrupt=lambda _: any(out.glob("trials/*/*/checkpoint.safetensors")))
    assert stopped.code == 130
    text = "\n".join(stopped.lines)
    assert text.count("interrupted; finished work is kept, and the same command continues from there") == 1
    assert "Traceback" not in text
    assert list(tmp_path.rglob("*.part")) == []
    assert not (out / "presets.yaml").exists()

    finished = show(words)
    assert finished.code == 0
    assert max(map(len, finished.lines)) <= COLUMNS
    (bar,) = [line for line in finished.lines if line.startswith("tune trials ")]
    assert "3/3" in bar
    found = json.loads((out / "study.json").read_text())
    assert sum(found["trials"][state] for state in ("complete", "pruned") if state in found["trials"]) == 3
    assert (out / "presets.yaml").is_file()
    assert list(out.glob("trials/*")) == []


def test_the_best_trials_are_printed_and_the_preset_is_listed(tiny_release: Path, tmp_path: Path) -> None:
    said = merflow(*command(tiny_release, tmp_path))
    assert said.code == 0
    header, *rows = said.out.splitlines()
    assert header.split()[:6] == ["trial", "UA", "fold", "1", "batch_size", "lr"]
    assert any(row.startswith("preset's own ") for row in rows)
    assert f"Preset {VARIANT}-tuned is in {tmp_path}/presets.yaml" in said.out
    assert "tune trials: 3/3" in said.err

    listed = merflow("presets", "--presets", tmp_path / "presets.yaml", "--json")
    (mine,) = [each for each in json.loads(listed.out) if "base" in each]
    assert (mine["preset"], mine["base"]) == ("bert-fc-frozen-tuned", VARIANT)
    table = merflow("presets", "--presets", tmp_path / "presets.yaml").out
    assert f"{VARIANT}-tuned is made from {VARIANT}, and the figures are those of {VARIANT}" in table


@pytest.mark.skipif(bool(missing()), reason=missing() or "PostgreSQL is there")
def test_a_password_is_used_and_stored_nowhere(
    tiny_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    out, tracked = tmp_path / "run", ("--set", "tracking.uri=auto")

    def tune(trials: int, storage: str) -> Said:
        return merflow(*command(tiny_release, out), *tracked, "--trials", trials, "--storage", storage)

    with server("pass/w0rd") as plain:
        given = plain.replace("merflow@", "merflow:pass%2Fw0rd@")
        first = tune(2, given)
        assert first.code == 0, first.err
        assert "study 'context-mmt:bert-fc-frozen' in postgresql+psycopg://merflow:***@127.0.0.1" in first.err
        again = tune(2, plain)
        assert again.code == 2
        assert "check tuning.storage (--storage), the password in PGPASSWORD or ~/.pgpass" in again.err
        assert tune(3, given).code == 0
        monkeypatch.setenv("PGPASSWORD", "pass/w0rd")
        last = tune(4, plain)
        assert last.code == 0, last.err
    assert json.loads((out / "study.json").read_text())["trials"] == {"complete": 4}
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"search.json", "run.json", "mlflow.db"} <= {path.name for path in files}
    for said in (*(path.read_bytes() for path in files), first.err.encode(), again.err.encode()):
        assert b"w0rd" not in said


def test_a_pipeline_refuses_a_password_and_no_error_shows_it(tmp_path: Path) -> None:
    pytest.importorskip("kfp")
    storage = "tuning.storage=postgresql://me:w0rd@host/db"
    options = ("--models", "mfdr:full", "--out", tmp_path / "out", "--set", storage)
    said = refused("pipeline", "run", "tune", *options)
    assert "tuning.storage 'postgresql://me:***@host/db' has a password, which a pipeline would keep" in said
    said = refused("pipeline", "run", "tune", *options, "--set", "tuning.trial=1")
    assert "with tuning.storage=postgresql://me:***@host/db, tuning.trial=1: 1 problem(s)" in said
    assert not (tmp_path / "out").exists()


def test_wrong_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "unknown model 'mdfr'; did you mean 'mfdr'?" in refused("tune", "mdfr", *out)
    assert "did you mean 'mfdr:full'" in refused("tune", "mfdr:ful", *out)
    assert "'1;2' names no folds; write them as 1,2" in refused("tune", "mfdr", *out, "--folds", "1;2")
    assert "a fold is given twice" in refused("tune", "mfdr", *out, "--folds", "1,1")
    said = refused("tune", "mfdr", *out, "--protocol", "session5-only", "--folds", "1,2")
    assert "session5-only has no fold 2; its last one is 1. Choose others with --folds" in said
    said = refused("tune", "mfdr", *out, "--corpus", "synthetic-mosei", "--folds", "1,2")
    assert "official has no fold 2; its last one is 1. Choose others with --folds" in said
    said = refused("tune", "mfdr", *out, "--corpus", "synthetic-mosei", "--protocol", "session-5fold")
    assert "protocol 'session-5fold' does not suit corpus 'synthetic-mosei'; set splits.protocol to official or" in said
    said = refused("tune", "mfdr", *out, "--name", "window-10")
    assert "the tuned preset (--name): mfdr:window-10 is a preset that merflow ships; give yours another name" in said
    assert "'mfdr:a:b' is not a variant" in refused("tune", "mfdr", *out, "--name", "a:b")
    said = refused("tune", "mfdr", *out, "--manifest", "m.parquet")
    assert (
        "--splits, --features is missing; give all of --manifest, --splits, --features, or none of them and a --corpus"
        in said
    )
    assert not (tmp_path / "out").exists()
