"""Recordings, manifests and models that cannot be used, and the exit status that says so."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.contracts.params import Params
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.errors import CorpusError
from merflow.jobs.transcribe import transcribe
from tests.jobs.transcribe.transcriptions import Files, command, corpus_of, report_of, run


def test_recordings_that_cannot_be_decoded_are_set_aside_and_the_exit_status_says_so(
    settings: Params, tmp_path: Path
) -> None:
    manifest, files = corpus_of(tmp_path, ["well", "no", "I know", "you", "fox"]), Files(tmp_path)
    (tmp_path / "1.wav").unlink()
    whole = (tmp_path / "2.wav").read_bytes()
    (tmp_path / "2.wav").write_bytes(whole[:-100])
    (tmp_path / "3.wav").write_text("no audio")
    result = CliRunner().invoke(app, command(manifest, files, settings, "--json"))

    assert result.exit_code == 3
    assert json.loads(result.stdout)["utterances"] == {
        "all": 5,
        "transcribed": 2,
        "set_aside": 3,
        "without_recording": 0,
        "empty": 0,
    }
    assert [text is None for text in files.texts()] == [False, True, True, True, False]
    aside = pd.read_csv(files.quarantine)
    assert aside["utterance_id"].tolist() == ["u1", "u2", "u3"]
    assert [reason.split(str(tmp_path))[-1] for reason in aside["reason"]][1].startswith(
        "/2.wav is truncated: it has 12700 of"
    )
    errors = report_of(files).errors
    assert errors is not None
    assert errors.left_out.without_hypothesis == 3

    (tmp_path / "2.wav").write_bytes(whole)  # a repaired recording is transcribed, the others are not transcribed again
    known = files.recordings()
    assert CliRunner().invoke(app, command(manifest, files, settings)).exit_code == 3
    assert files.recordings()[:2] == known
    assert len(files.recordings()) == 3


def test_everything_decoded_is_exit_status_0(settings: Params, tmp_path: Path) -> None:
    files = Files(tmp_path)
    result = CliRunner().invoke(app, command(corpus_of(tmp_path, ["well"]), files, settings))

    assert result.exit_code == 0
    assert len(files.recordings()) == 1


def test_the_input_is_never_overwritten_and_needs_recordings(settings: Params, tmp_path: Path) -> None:
    manifest = corpus_of(tmp_path, ["well"])
    with pytest.raises(CorpusError, match="is the manifest that is read; name another file"):
        transcribe(
            manifest,
            out=tmp_path / "." / "m.parquet",
            report=tmp_path / "r.json",
            quarantine=tmp_path / "q.csv",
            journal=tmp_path / "j.jsonl",
            params=settings.transcription,
            corpus=settings.corpus,
        )
    found = read_manifest(manifest)
    silent = Manifest(found.rows.assign(audio_path=None), found.root, found.corpus, found.taxonomy)
    write_manifest(silent, tmp_path / "silent.parquet")
    with pytest.raises(CorpusError, match=r"silent.parquet names no recording, so there is nothing to transcribe"):
        run(tmp_path / "silent.parquet", Files(tmp_path), settings)


def test_a_missing_model_is_the_users_error(manifest: Path, settings: Params, tmp_path: Path) -> None:
    files = Files(tmp_path)
    line = [*command(manifest, files, settings), "--model", str(tmp_path / "none")]
    finished = subprocess.run([sys.executable, "-m", "merflow", *line], capture_output=True, text=True, check=False)

    assert finished.returncode == 2
    assert "it is neither a folder nor a size" in finished.stderr
    assert not any(tmp_path.iterdir())
