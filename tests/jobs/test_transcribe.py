import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from merflow.cli.app import app
from merflow.contracts.params import Params
from merflow.contracts.requests import TranscribeRequest
from merflow.corpus.manifest import Manifest, build_manifest, read_manifest, write_manifest
from merflow.corpus.transcription.report import Manifests, TranscriptionReport, read_report
from merflow.corpus.transcription.whisper import text_normalizer
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.errors import CorpusError
from merflow.jobs import steps
from merflow.jobs.index import index
from merflow.jobs.miniatures import miniatures
from merflow.jobs.transcribe import transcribe
from tests.corpus.transcription.whisper_miniature import build_whisper, speech


@dataclass(frozen=True)
class Files:
    """The files of a transcription in a folder, named as by the command."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "transcribed.parquet"

    @property
    def report(self) -> Path:
        return self.folder / "transcribed.report.json"

    @property
    def page(self) -> Path:
        return self.folder / "transcribed.report.md"

    @property
    def quarantine(self) -> Path:
        return self.folder / "transcribed.quarantine.csv"

    @property
    def journal(self) -> Path:
        return self.folder / "transcribed.journal.jsonl"

    def recordings(self) -> list[str]:
        """Digests of the recordings in the journal, in the order in which they were transcribed."""
        return [json.loads(line)["audio"] for line in self.journal.read_text(encoding="utf-8").splitlines()]

    def texts(self) -> list[str | None]:
        rows = read_manifest(self.out).rows
        return [None if pd.isna(text) else text for text in rows["asr_transcript"]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a model with a window of one second, so that many recordings of the tiny release are cut."""
    return build_whisper(tmp_path_factory.mktemp("whisper") / "mini.en", window_s=1)


@pytest.fixture(scope="module")
def settings(params: Params, model: Path) -> Params:
    changes = {"model": str(model), "batch_size": 8, "max_new_tokens": 6, "device": "cpu"}
    return params.model_copy(update={"transcription": params.transcription.model_copy(update=changes)})


@pytest.fixture(scope="module")
def manifest(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "manifest.parquet"
    return index(tiny_release, corpus="iemocap", out=path, params=params.corpus)


@pytest.fixture(scope="module")
def whole(manifest: Path, settings: Params, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Transcribe the tiny release without an interruption."""
    found = Files(tmp_path_factory.mktemp("whole"))
    run(manifest, found, settings)
    return found


def run(manifest: Path, files: Files, settings: Params, **changes: object) -> TranscriptionReport:
    return transcribe(
        manifest,
        out=files.out,
        report=files.report,
        quarantine=files.quarantine,
        journal=files.journal,
        params=settings.transcription.model_copy(update=changes),
        corpus=settings.corpus,
        progress=lambda *_: None,
    )


def report_of(files: Files) -> TranscriptionReport:
    return read_report(files.report)


def corpus_of(folder: Path, texts: Sequence[str | None], *, seconds: float = 0.4, rate_hz: int = 16_000) -> Path:
    """Write a manifest of recordings with these true transcripts; every other one is sad, the rest has no class."""
    rows = []
    for number, text in enumerate(texts):
        soundfile.write(folder / f"{number}.wav", speech(number, seconds=seconds, rate_hz=rate_hz), rate_hz)
        rows.append(
            {
                "utterance_id": f"u{number}",
                "dialogue_id": "d",
                "turn_index": number,
                "session": "Session1",
                "speaker": "S",
                "audio_path": f"{number}.wav",
                "transcript": text,
                "emotion": "sad" if number % 2 else None,
                "n_samples": round(seconds * rate_hz),
                "rate_hz": rate_hz,
            }
        )
    write_manifest(build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4"), folder / "m.parquet")
    return folder / "m.parquet"


def as_one_recording(manifest: Path, folder: Path) -> Path:
    """Write a manifest whose utterances are parts of one recording of the whole dialogue, a second apart."""
    own = read_manifest(manifest)
    whole = np.zeros(len(own.rows) * 2 * 16_000, dtype=np.float32)
    rows = []
    for number, row in enumerate(own.rows.drop(columns="corpus").to_dict("records")):
        samples, _ = soundfile.read(own.root / row["audio_path"], dtype="float32")
        whole[number * 32_000 : number * 32_000 + len(samples)] = samples
        times = {"start_s": 2.0 * number, "end_s": 2.0 * number + len(samples) / 16_000}
        row |= times | {"audio_path": "whole.wav", "audio_of_dialogue": True}
        rows.append({name: None if pd.isna(value) else value for name, value in row.items()})
    soundfile.write(folder / "whole.wav", whole, 16_000)
    write_manifest(build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4"), folder / "parts.parquet")
    return folder / "parts.parquet"


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest edits from one sequence to the other, cell by cell."""
    row = list(range(len(heard) + 1))
    for i, one in enumerate(said, start=1):
        row, above = [i], row
        for j, other in enumerate(heard, start=1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one != other)))
    return row[-1]


def test_a_release_is_transcribed_and_nothing_else_changes(manifest: Path, whole: Files) -> None:
    before, after = read_manifest(manifest), read_manifest(whole.out)

    assert len(after.rows) == 70
    others = [name for name in before.rows.columns if name != "asr_transcript"]
    pd.testing.assert_frame_equal(after.rows[others], before.rows[others])
    assert before.rows["asr_transcript"].isna().all()
    assert after.rows["asr_transcript"].notna().all()
    assert after.rows["asr_transcript"].nunique() > 20
    assert after.hash != before.hash
    assert (after.root, after.corpus, after.taxonomy) == (before.root, before.corpus, before.taxonomy)
    assert report_of(whole).manifest == Manifests(before=before.hash, after=after.hash, corpus="synthetic")


def test_parts_of_one_recording_are_heard_like_recordings_of_their_own(tmp_path: Path, settings: Params) -> None:
    own, parts = Files(tmp_path / "own"), Files(tmp_path / "parts")
    manifest = corpus_of(tmp_path, ["one", "two", "three"])
    for files, given in ((own, manifest), (parts, as_one_recording(manifest, tmp_path))):
        files.folder.mkdir()
        run(given, files, settings)
    assert parts.texts() == own.texts()
    assert len(set(parts.recordings())) == 3


def test_reported_rates_are_those_of_a_slow_loop(whole: Files, model: Path) -> None:
    rows = read_manifest(whole.out).rows
    normalize = text_normalizer(find_whisper(str(model), revision=None), language="en").apply
    errors = report_of(whole).errors
    assert errors is not None
    assert errors.overall is not None

    def rate(chosen: pd.DataFrame, *, words: bool) -> float:
        wrong = total = 0
        for said, heard in zip(chosen["transcript"], chosen["asr_transcript"], strict=True):
            one, other = ([word for word in normalize(text).split() if word != "."] for text in (said, heard))
            pair = (one, other) if words else (" ".join(one), " ".join(other))
            if one:
                wrong, total = wrong + distance(*pair), total + len(pair[0])
        return wrong / total

    assert errors.overall.wer == pytest.approx(rate(rows, words=True))
    assert errors.overall.cer == pytest.approx(rate(rows, words=False))
    assert list(errors.sessions) == [f"Session{number}" for number in range(1, 6)]
    assert list(errors.emotions) == ["angry", "happy", "neutral", "no class", "sad"]
    for name, figures in errors.sessions.items():
        assert figures.wer == pytest.approx(rate(rows[rows["session"] == name], words=True))
    for name, figures in errors.emotions.items():
        assert figures.cer == pytest.approx(rate(rows[rows["emotion"].fillna("no class") == name], words=False))


def test_the_page_says_what_the_report_holds(whole: Files) -> None:
    report, page = report_of(whole), whole.page.read_text(encoding="utf-8")

    assert report.errors is not None
    assert report.errors.overall is not None
    assert report.normalizer == "Whisper's EnglishTextNormalizer"
    assert "pass Whisper's EnglishTextNormalizer before they are compared" in page
    assert f"| all | {report.errors.overall.wer:.2%} |" in page
    assert len(report.errors.worst) == 20
    assert all(f"| {worst.utterance_id} |" in page for worst in report.errors.worst)
    frequent = report.errors.substitutions[0]
    assert f"| {frequent.reference} | {frequent.hypothesis} | {frequent.times} |" in page
    assert report.model.language == "en"
    assert whole.quarantine.read_text(encoding="utf-8") == "utterance_id,audio_path,reason\n"


def test_a_second_run_transcribes_nothing_again(
    manifest: Path, whole: Files, settings: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, out = whole.journal.read_bytes(), whole.out.read_bytes()
    run(manifest, whole, settings)

    assert "0 recording(s) transcribed, 70 known from an earlier run" in capsys.readouterr().err
    assert whole.journal.read_bytes() == journal
    assert whole.out.read_bytes() == out


def test_another_setting_transcribes_everything_again(
    manifest: Path, whole: Files, settings: Params, tmp_path: Path
) -> None:
    files = Files(tmp_path)
    files.journal.write_bytes(whole.journal.read_bytes())
    run(manifest, files, settings, max_new_tokens=3)

    assert len(files.recordings()) == 140
    assert files.texts() != whole.texts()


def command(manifest: Path, files: Files, settings: Params, *more: str) -> list[str]:
    asked = settings.transcription
    sets = [f"transcription.{name}={getattr(asked, name)}" for name in ("batch_size", "max_new_tokens", "device")]
    chosen = [part for pair in sets for part in ("--set", pair)]
    return ["data", "transcribe", str(manifest), "--out", str(files.out), "--model", asked.model, *chosen, *more]


def test_a_run_that_is_killed_continues_after_its_last_batch(
    manifest: Path, whole: Files, settings: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path)
    line = [sys.executable, "-m", "merflow", *command(manifest, files, settings)]
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and lines(files) < 24:
            time.sleep(0.001)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "it ended before the signal"
    before = files.recordings()
    assert not files.out.exists()
    with files.journal.open("ab") as torn:
        torn.write(b'{"audio": "12ab')  # a line as a killed process leaves it
    run(manifest, files, settings)

    assert f"{len(before)} known from an earlier run" in capsys.readouterr().err
    entries = [line for line in files.journal.read_text(encoding="utf-8").splitlines() if not line.endswith("12ab")]
    again = [json.loads(entry)["audio"] for entry in entries]
    assert again[: len(before)] == before
    assert again == whole.recordings(), "a recording was transcribed twice, or out of turn"
    assert files.out.read_bytes() == whole.out.read_bytes()
    assert report_of(files) == report_of(whole)


def lines(files: Files) -> int:
    return files.journal.read_bytes().count(b"\n") if files.journal.exists() else 0


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


def test_other_formats_are_transcribed_if_the_corpus_allows_it(settings: Params, tmp_path: Path) -> None:
    manifest, files = corpus_of(tmp_path, ["well"] * 2, rate_hz=8000), Files(tmp_path)

    assert run(manifest, files, settings).utterances.set_aside == 2
    assert "set corpus.resample=true" in files.quarantine.read_text(encoding="utf-8")
    allowed = settings.model_copy(update={"corpus": settings.corpus.model_copy(update={"resample": True})})
    assert run(manifest, files, allowed).utterances.set_aside == 0
    assert all(files.texts())


def test_a_corpus_without_true_transcripts_has_no_rate_and_says_so(
    settings: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path)
    report = run(corpus_of(tmp_path, [None, None]), files, settings)

    assert (report.errors, report.normalizer) == (None, None)
    sentence = "The corpus has no reference transcripts, so there is no word error rate."
    assert sentence in files.page.read_text(encoding="utf-8")
    assert sentence in capsys.readouterr().err
    assert all(files.texts())


def test_transcripts_of_nothing_but_tags_are_left_out_and_counted(settings: Params, tmp_path: Path) -> None:
    files = Files(tmp_path)
    errors = run(corpus_of(tmp_path, ["[LAUGHTER]", "well no", "[BREATHING] um"]), files, settings).errors

    assert errors is not None
    assert errors.overall is not None
    assert errors.overall.utterances == 1
    assert errors.overall.words.hits + errors.overall.words.deletions <= 2
    texts = [text for text in files.texts() if text]
    assert errors.left_out.without_words == 2
    assert errors.left_out.words_where_none == len(texts[0].split()) + len(texts[2].split())
    assert "- 2 utterance(s) whose reference transcript has no word" in files.page.read_text(encoding="utf-8")


def test_nothing_but_tags_at_all(settings: Params, tmp_path: Path) -> None:
    files = Files(tmp_path)
    errors = run(corpus_of(tmp_path, ["[LAUGHTER]"]), files, settings).errors

    assert errors is not None
    assert (errors.overall, errors.sessions) == (None, {})
    assert "No reference transcript contains a word" in files.page.read_text(encoding="utf-8")


def test_equal_recordings_are_transcribed_once(settings: Params, tmp_path: Path) -> None:
    manifest, files = corpus_of(tmp_path, ["well", "no", "fox"]), Files(tmp_path)
    (tmp_path / "2.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    run(manifest, files, settings)

    texts = files.texts()
    assert len(files.recordings()) == 2
    assert texts[0] == texts[2] != texts[1]


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


def test_the_miniature_that_encodes_also_transcribes(settings: Params, tmp_path: Path) -> None:
    (*_, whisper) = miniatures(tmp_path / "encoders")
    manifest, files = corpus_of(tmp_path, ["well", "no"]), Files(tmp_path)
    done = run(manifest, files, settings, model=str(whisper))

    assert done.utterances.set_aside == 0
    assert all(files.texts())
    assert report_of(files).normalizer == "Whisper's EnglishTextNormalizer"
