"""Expectations of utterances and their recordings: a clean corpus passes, and each problem is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from merflow.contracts.corpus_validation import Validation
from merflow.corpus.manifest import build_manifest
from merflow.corpus.validation.expectations import validate
from merflow.corpus.validation.outcome import describe
from merflow.corpus.validation.summary import write_summary
from tests.corpus.validation.two_sessions import (
    PARAMS,
    RATE_HZ,
    Row,
    checked,
    corpus_rows,
    details,
    voice,
    write_recordings,
)

pytest.importorskip("great_expectations")


NO_TRANSCRIPT = "has no transcript; transcribe it, or write a tag such as [LAUGHTER] if it contains no words"
OUTSIDE = "outside 0.2 to 60 s; leave it out, or change corpus.min_duration_s or corpus.max_duration_s"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_recordings(tmp_path / "corpus")


def test_a_clean_corpus_passes_and_is_counted(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = corpus_rows()
    soundfile.write(root / "d1_0.wav", voice(7999), RATE_HZ)
    rows[0] |= {"n_samples": 7999}  # one sample short of the turn, which is normal
    rows[1] |= {"end_s": rows[1]["start_s"] + 0.501}  # and a time to the millisecond
    rows[2] |= {"video_side": "left"}
    manifest = build_manifest(rows, root=root, corpus="table", taxonomy="iemocap4")
    steps: list[tuple[str, int, int]] = []
    outcome = validate(
        manifest, params=PARAMS, docs=root.parent / "docs", progress=lambda *figures: steps.append(figures)
    )

    assert outcome.success, describe(outcome)
    assert (outcome.problems, outcome.corpus_problems) == ((), ())
    assert len(outcome.checks) > 30
    figures = outcome.figures
    assert (figures.utterances, figures.labelled, figures.dialogues) == (12, 10, 2)
    assert figures.emotions == {"angry": 2, "happy": 4, "neutral": 2, "sad": 2, "no class": 2}
    assert figures.sessions["Session2"] == {"angry": 1, "happy": 2, "neutral": 1, "sad": 1, "no class": 1}
    assert figures.speakers["S1_F"] == {"angry": 1, "happy": 1, "neutral": 0, "sad": 1, "no class": 0}
    assert figures.empty_transcripts == 2
    assert figures.durations["all"].hours == pytest.approx(12 * 0.5 / 3600, rel=1e-3)
    assert sum(figures.durations["all"].counts) == 12
    assert figures.left_share == {"happy": 1.0}
    good, bad = outcome.quarantine()
    assert good.hash == manifest.hash
    assert bad.empty
    assert good.validation == Validation(passed=True, checks=len(outcome.checks), failed=(), set_aside=0)
    assert steps == [("recordings", 12, 12)]
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_each_bad_recording_is_named_with_its_problem_and_set_aside(root: Path) -> None:
    holes = voice()
    holes[[3, 4, 5]] = np.nan
    soundfile.write(root / "d1_0.wav", voice(4000), 8000)
    soundfile.write(root / "d1_1.wav", np.zeros((8000, 2)), RATE_HZ)
    soundfile.write(root / "d1_2.wav", holes, RATE_HZ, subtype="FLOAT")
    soundfile.write(root / "d1_3.wav", np.full(8000, 0.0001), RATE_HZ)
    soundfile.write(root / "d1_4.wav", np.where(np.arange(8000) % 4, 0.1, 1.0), RATE_HZ)
    (root / "d2_5.wav").unlink()
    (root / "d2_0.wav").write_bytes(b"")
    (root / "d2_1.wav").write_bytes((root / "d2_1.wav").read_bytes()[:-6000])
    (root / "d2_2.wav").write_bytes(b"no audio at all" * 10)
    soundfile.write(root / "d2_3.wav", voice(0), RATE_HZ)
    changes: dict[str, Row] = {"d1_0": {"n_samples": 4000}, "d2_5": {"transcript": None}}
    rows = [row | changes.get(row["utterance_id"], {}) for row in corpus_rows()]
    outcome = checked(root, rows)
    good, bad = outcome.quarantine()

    assert not outcome.success
    assert list(bad.columns) == [*outcome.manifest.rows.columns, "reasons"]
    assert good.rows["utterance_id"].tolist() == ["d1_5", "d2_4"]
    assert len(good.rows) + len(bad) == len(rows)
    assert good.validation is not None
    assert (good.validation.passed, good.validation.set_aside) == (True, len(bad))
    assert "every utterance has a transcript" in good.validation.failed
    assert dict(zip(bad["utterance_id"], bad["reasons"], strict=True)) == {
        "d1_0": "recording d1_0.wav is sampled at 8000 Hz, not 16000 Hz; resample it, or set corpus.resample=true",
        "d1_1": "recording d1_1.wav has 2 channels, not 1; mix it down, or set corpus.resample=true; "
        "recording d1_1.wav is silent: its level is -180.0 dBFS, below -60 dBFS; replace it, or lower "
        "corpus.silence_dbfs",
        "d1_2": "recording d1_2.wav has 3 NaN or infinite samples out of 8000; convert it again",
        "d1_3": "recording d1_3.wav is silent: its level is -80.8 dBFS, below -60 dBFS; replace it, or lower "
        "corpus.silence_dbfs",
        "d1_4": "recording d1_4.wav is clipped: 25.0% of its samples are at full scale, more than 1.0%; replace it, or "
        "raise corpus.max_clipped_share",
        "d2_0": "recording d2_0.wav is empty (the file has 0 bytes); copy it again",
        "d2_1": "recording d2_1.wav is cut off: the header declares 16000 bytes of samples, but the file has 10000; "
        "copy it again",
        "d2_2": "recording d2_2.wav cannot be read (Format not recognised); copy or convert it again",
        "d2_3": "recording d2_3.wav is empty (the file has 0 samples); copy it again",
        "d2_5": f"no such recording: {root}/d2_5.wav; restore it; {NO_TRANSCRIPT}",
    }
    again = validate(good, params=PARAMS, docs=root.parent / "docs")
    assert again.success, describe(again)


def test_other_rates_and_channels_pass_where_they_are_resampled(root: Path) -> None:
    soundfile.write(root / "d1_0.wav", voice(4000), 8000)
    soundfile.write(root / "d1_1.wav", np.stack([voice(22_050), voice(22_050)], axis=1), 44_100)
    changes: dict[str, Row] = {
        "d1_0": {"n_samples": 4000, "rate_hz": 8000},
        "d1_1": {"n_samples": 22_050, "rate_hz": 44_100},
    }
    manifest = build_manifest(
        [row | changes.get(row["utterance_id"], {}) for row in corpus_rows()],
        root=root,
        corpus="table",
        taxonomy="iemocap4",
    )
    strict = validate(manifest, params=PARAMS, docs=root.parent / "docs")
    assert {problem.utterance_id for problem in strict.problems} == {"d1_0", "d1_1"}
    allowed = validate(manifest, params=PARAMS.model_copy(update={"resample": True}), docs=root.parent / "docs")
    assert allowed.success, describe(allowed)
    assert allowed.figures.durations["all"].hours == pytest.approx(12 * 0.5 / 3600, rel=1e-3)


def test_rows_that_contradict_themselves_or_others_are_named(root: Path) -> None:
    soundfile.write(root / "d1_2.wav", voice(1600), RATE_HZ)
    soundfile.write(root / "d2_4.wav", voice(61 * RATE_HZ), RATE_HZ)
    changes: dict[str, Row] = {
        "d1_0": {"emotion_raw": "<script>"},
        "d1_1": {"emotion": "joyful"},
        "d1_2": {"emotion": "sad", "n_samples": 1600, "end_s": 2.1},
        "d1_3": {"end_s": 2.0},
        "d1_4": {"end_s": 4.61},
        "d1_5": {"n_samples": 7990},
        "d2_0": {"turn_index": 7, "emotion": None},
        "d2_1": {"turn_index": 7},
        "d2_3": {"audio_path": "d2_2.wav"},
        "d2_4": {"n_samples": 61 * RATE_HZ, "end_s": 65.0},
        "d2_5": {"video_path": "d2.avi", "audio_path": None, "n_samples": None, "transcript": None},
    }
    outcome = checked(root, [row | changes.get(row["utterance_id"], {}) for row in corpus_rows()])
    found: dict[str | None, list[str]] = {}
    for name, detail in details(outcome):
        found.setdefault(name, []).append(detail)

    assert found == {
        "d1_0": ["label '<script>' is not a known emotion label; correct it"],
        "d1_1": [
            "emotion 'joyful' is not in taxonomy iemocap4; index the corpus again",
            "emotion is 'joyful', but label 'hap' is 'happy' in taxonomy iemocap4; index the corpus again",
        ],
        "d1_2": [
            "emotion is 'sad', but label 'exc' is 'happy' in taxonomy iemocap4; index the corpus again",
            f"is 0.100 s long, {OUTSIDE}",
        ],
        "d1_3": [
            "ends at 2.000 s, but starts at 3.000 s; correct the times",
            "recording d1_3.wav is 0.5000 s long, but its turn -1.0000 s; correct one of them",
        ],
        "d1_4": ["recording d1_4.wav is 0.5000 s long, but its turn 0.6100 s; correct one of them"],
        "d1_5": [
            "recording d1_5.wav has changed: it has 8000 samples, and had 7990 when it was indexed; "
            "index the corpus again"
        ],
        "d2_0": [
            "turn 7 of dialogue d2 occurs more than once; renumber or remove one",
            "emotion is None, but label 'ang' is 'angry' in taxonomy iemocap4; index the corpus again",
        ],
        "d2_1": ["turn 7 of dialogue d2 occurs more than once; renumber or remove one"],
        "d2_2": ["recording d2_2.wav belongs to other utterances, too; correct audio_path"],
        "d2_3": ["recording d2_2.wav belongs to other utterances, too; correct audio_path"],
        "d2_4": [f"is 61.000 s long, {OUTSIDE}"],
        "d2_5": [
            "has no recording (audio_path is empty); add it, or leave it out",
            NO_TRANSCRIPT,
            "video d2.avi is missing; restore it",
        ],
    }
    write_summary(outcome, root.parent / "summary.html")
    page = (root.parent / "summary.html").read_text()
    assert "Failed" in page
    assert "has no transcript" in page
    assert "http" not in page
    assert "<script" not in page
    docs = root.parent / "docs"
    assert "<html" in (docs / "index.html").read_text()
    assert len(list(docs.glob("validations/**/*.html"))) == 3
    assert not list(docs.parent.glob(".*.part"))
