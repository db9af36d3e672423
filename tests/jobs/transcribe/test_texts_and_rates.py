"""Transcribed corpora: their texts, their error rates, and the page that shows them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.params import Params
from merflow.corpus.manifest import build_manifest, read_manifest, write_manifest
from merflow.corpus.transcription.report import Manifests
from merflow.corpus.transcription.whisper import text_normalizer
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.jobs.miniatures import miniatures
from tests.corpus.transcription.slow_edits import distance
from tests.jobs.transcribe.transcriptions import Files, corpus_of, report_of, run


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


def test_the_miniature_that_encodes_also_transcribes(settings: Params, tmp_path: Path) -> None:
    (*_, whisper) = miniatures(tmp_path / "encoders")
    manifest, files = corpus_of(tmp_path, ["well", "no"]), Files(tmp_path)
    done = run(manifest, files, settings, model=str(whisper))

    assert done.utterances.set_aside == 0
    assert all(files.texts())
    assert report_of(files).normalizer == "Whisper's EnglishTextNormalizer"
