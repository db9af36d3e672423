"""Transcription as a step of a pipeline."""

import json
from pathlib import Path

from merflow.contracts.params import Params
from merflow.contracts.requests import TranscribeRequest
from merflow.jobs import steps
from tests.jobs.transcribe.transcriptions import Files


def request(settings: Params, workspace: Path, *, transcribe: bool) -> str:
    return TranscribeRequest(
        transcribe=transcribe,
        workspace=str(workspace),
        params=settings.transcription,
        corpus=settings.corpus,
        data="",
        recognizer="",
        code="",
    ).to_json()


def test_pipelines_call_the_same_job(manifest: Path, settings: Params, whole: Files, tmp_path: Path) -> None:
    steps.transcribe(
        request(settings, tmp_path / "workspace", transcribe=True),
        manifest=str(manifest),
        transcribed=str(tmp_path / "transcribed"),
        summary=str(tmp_path / "summary"),
        report=str(tmp_path / "report"),
        set_aside=str(tmp_path / "set_aside"),
    )

    assert (tmp_path / "transcribed").read_bytes() == whole.out.read_bytes()
    assert (tmp_path / "summary").read_text(encoding="utf-8") == whole.page.read_text(encoding="utf-8")
    assert (tmp_path / "workspace" / "transcripts.jsonl").is_file()


def test_a_pipeline_that_does_not_ask_for_it_hands_the_manifest_on(
    manifest: Path, settings: Params, tmp_path: Path
) -> None:
    steps.transcribe(
        request(settings, tmp_path / "workspace", transcribe=False),
        manifest=str(manifest),
        **{name: str(tmp_path / name) for name in ("transcribed", "summary", "report", "set_aside")},
    )

    assert (tmp_path / "transcribed").read_bytes() == manifest.read_bytes()
    assert "Transcription is off" in (tmp_path / "summary").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "report").read_text()) == {}
    assert (tmp_path / "set_aside").read_bytes() == b""
