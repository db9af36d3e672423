"""Listening to recordings with a trained model: all files, killed runs, films, words and standard input."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

pytest.importorskip("silero_vad")
pytest.importorskip("av")

from merflow.contracts.heard import HeardEmotion
from merflow.contracts.listening_results import HeardSegment, ListeningResults, read_listening
from merflow.contracts.params import Params
from merflow.corpus.samples import RATE_HZ
from merflow.errors import MediaError, ServingError
from merflow.inference.media_clips import Clip, Samples, dialogue
from merflow.jobs import listen as job
from merflow.jobs.listen import ELAN, JOURNAL, LABELS, PAGE, SOUND, TABLE, ListenRequest, listen
from merflow.opening.open_model import open_model
from merflow.serving.answers import ClipPrediction
from merflow.serving.decoding import open_recording
from merflow.serving.predictor import Predictor
from tests.corpus.transcription.whisper_miniature import build_whisper
from tests.promotion.packaging.benchmarks import VARIANT
from tests.serving.sounds import Planted, planted, voices_in, write_film

FILES = {"listening.json", JOURNAL, PAGE, TABLE, ELAN, LABELS}


@pytest.fixture(scope="module")
def predictor(ensemble: Path) -> Predictor:
    return open_model(str(ensemble), device="cpu")


@pytest.fixture(scope="module")
def voices(tiny_release: Path) -> Planted:
    return planted(voices_in(tiny_release, count=24))


@pytest.fixture(scope="module")
def recording(voices: Planted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "talk.wav"
    soundfile.write(path, voices.samples, RATE_HZ, subtype="PCM_16")
    return path


def request_of(recording: Path, ensemble: Path, out: Path) -> ListenRequest:
    return ListenRequest(recording, str(ensemble), out, "merflow listen talk.wav", device="cpu")


def found(results: ListeningResults, voices: Planted) -> float:
    """Return the share of the planted voices of which more than half lies in segments."""
    spans = [(segment.start_s * RATE_HZ, segment.end_s * RATE_HZ) for segment in results.segments]
    shared = [
        sum(max(0.0, min(end, b) - max(first, a)) for a, b in spans) / (end - first) for first, end in voices.voices
    ]
    return float(np.mean(np.array(shared) > 0.5))


def judged(results: ListeningResults) -> list[Any]:
    """Return what must not depend on how often the run was interrupted."""
    return [segment.model_dump() for segment in results.segments]


def test_a_recording_becomes_a_page_and_files(
    recording: Path, voices: Planted, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "out"
    results, page = listen(request_of(recording, ensemble, out), predictor=predictor)
    assert {path.name for path in out.iterdir()} == FILES
    assert page == out / PAGE
    assert read_listening(out) == results
    assert found(results, voices) > 0.8
    assert results.duration_s == pytest.approx(len(voices.samples) / RATE_HZ)
    assert (results.model.modalities, results.model.name) == (("audio", "text"), VARIANT)
    assert {segment.heard.modalities for segment in results.segments if segment.heard} == {("audio",)}
    assert results.speed.real_time_factor > 0
    count = len(results.segments)
    with (out / TABLE).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == count
    assert len((out / LABELS).read_text(encoding="utf-8").splitlines()) == count
    assert len(list(ElementTree.parse(out / ELAN).getroot().iter("ALIGNABLE_ANNOTATION"))) == count
    html = page.read_text(encoding="utf-8")
    assert html.count('class="seek"') == count
    assert 'id="sound"' in html


def test_segments_are_predicted_as_clips_of_one_dialogue(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    results, _ = listen(request_of(recording, ensemble, tmp_path), predictor=predictor)
    samples, _ = soundfile.read(recording, dtype="float32")
    ends = [(round(each.start_s * RATE_HZ), round(each.end_s * RATE_HZ)) for each in results.segments]
    clips = [Clip(str(first), audio=Samples(samples[first:end])) for first, end in ends]
    assert predictor.reach > 0
    answers = predictor.predict(dialogue(clips, reach=predictor.reach))
    for segment, answer in zip(results.segments, answers, strict=True):
        assert isinstance(segment.heard, HeardEmotion)
        assert isinstance(answer, ClipPrediction)
        assert segment.heard.probabilities == pytest.approx(answer.probabilities, abs=1e-5)


KILLED = """
import os, signal, sys
from pathlib import Path
from merflow.jobs.listen import ListenRequest, listen
recording, ensemble, out = sys.argv[1:]
request = ListenRequest(Path(recording), ensemble, Path(out), "merflow listen", device="cpu")
listen(request, tell_segment=lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_run_continues_and_gives_the_same(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    whole, _ = listen(request_of(recording, ensemble, tmp_path / "whole"), predictor=predictor)
    out = tmp_path / "stopped"
    command = [sys.executable, "-c", KILLED, str(recording), str(ensemble), str(out)]
    stopped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert stopped.returncode == -signal.SIGKILL, stopped.stderr
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {JOURNAL}
    again, _ = listen(request_of(recording, ensemble, out), predictor=predictor)
    assert 16 == again.speed.remembered < len(again.segments), "the first batch"
    assert judged(again) == judged(whole)
    assert {path.name for path in out.iterdir()} >= FILES


def test_ctrl_c_leaves_nothing_half_written(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    request = request_of(recording, ensemble, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        listen(request, predictor=predictor, tell_segment=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]
    again, _ = listen(request, predictor=predictor)
    assert again.speed.remembered == 16
    assert {path.name for path in tmp_path.iterdir()} == FILES


def test_a_finished_run_is_remembered_and_other_settings_are_not(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    request = request_of(recording, ensemble, tmp_path)
    first, _ = listen(request, predictor=predictor)
    again, _ = listen(replace(request, half_life_s=0.0), predictor=predictor)
    assert (first.speed.remembered, again.speed.remembered) == (0, len(first.segments))
    assert [each.smoothed for each in again.segments] == [each.heard and each.heard.values for each in again.segments]
    shorter = request.settings.model_copy(update={"longest_s": 2.0})
    other, _ = listen(replace(request, settings=shorter), predictor=predictor)
    assert other.speed.remembered == 0
    assert max(segment.duration_s for segment in other.segments) <= 2.0 + 2 * shorter.margin_s


def test_two_runs_do_not_share_a_folder(recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path) -> None:
    request = request_of(recording, ensemble, tmp_path)
    with pytest.raises(ServingError, match=r"journal\.jsonl is in use by another merflow listen"):
        listen(request, predictor=predictor, tell_segment=lambda _: listen(request, predictor=predictor) and None)


def test_long_sound_stays_next_to_the_page(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "EMBEDDED_BYTES", 1000)
    results, page = listen(request_of(recording, ensemble, tmp_path), predictor=predictor)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, SOUND}
    html = page.read_text(encoding="utf-8")
    assert f'src="{SOUND}"' in html
    assert 'id="sound"' not in html
    with open_recording(tmp_path / SOUND) as sound:
        seconds = sum(len(block) for block in sound.blocks()) / RATE_HZ
    assert seconds == pytest.approx(results.duration_s, abs=0.1)


def test_no_sound_is_kept_without_playback(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    _, page = listen(replace(request_of(recording, ensemble, tmp_path), sound=False), predictor=predictor)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert "This page has no sound." in page.read_text(encoding="utf-8")


def test_a_film_is_heard_at_its_own_time(voices: Planted, ensemble: Path, predictor: Predictor, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", voices.samples[: 30 * RATE_HZ], late_s=2.0)
    results, _ = listen(request_of(film, ensemble, tmp_path / "out"), predictor=predictor)
    later = Planted(
        voices.samples,
        tuple((first + 2 * RATE_HZ, end + 2 * RATE_HZ) for first, end in voices.voices if end < 29 * RATE_HZ),
    )
    assert found(results, later) > 0.7
    media = ElementTree.parse(tmp_path / "out" / ELAN).getroot().find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib["MIME_TYPE"] == "video/mp4"


def test_words_are_recognized_and_read(
    recording: Path, ensemble: Path, predictor: Predictor, params: Params, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    whisper = params.transcription.model_copy(
        update={
            "model": str(build_whisper(tmp_path / "whisper")),
            "revision": None,
            "device": "cpu",
            "max_new_tokens": 8,
        }
    )
    request = replace(request_of(recording, ensemble, tmp_path / "out"), transcription=whisper)
    results, page = listen(request, predictor=predictor)
    texts = [segment.text for segment in results.segments]
    assert all(text is not None for text in texts)
    assert any(texts)
    read = {segment.heard.modalities for segment in results.segments if segment.heard and segment.text}
    assert read == {("audio", "text")}
    assert "The words were recognized by Whisper" in page.read_text(encoding="utf-8")
    again, _ = listen(request, predictor=predictor)
    assert again.speed.remembered == len(results.segments)
    assert judged(again) == judged(results)


def test_standard_input_is_heard_and_its_sound_stays(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct, _ = listen(request_of(recording, ensemble, tmp_path / "direct"), predictor=predictor)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(recording.read_bytes())))
    piped, page = listen(request_of(Path("-"), ensemble, tmp_path / "piped"), predictor=predictor)
    assert judged(piped) == judged(direct)
    assert (piped.recording, piped.digest) == ("standard input", direct.digest)
    assert (page.parent / SOUND).is_file()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(MediaError, match="standard input is empty; pipe a recording into merflow listen -"):
        listen(request_of(Path("-"), ensemble, tmp_path / "empty"), predictor=predictor)


def test_a_microphone_hears_what_is_played(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    direct, _ = listen(request_of(recording, ensemble, tmp_path / "direct"), predictor=predictor)
    played = replace(
        request_of(recording, ensemble, tmp_path / "heard"), recording=None, microphone=f"lavfi:amovie={recording}"
    )
    told: list[HeardSegment] = []
    heard, page = listen(played, predictor=predictor, tell_segment=told.append)
    assert [(each.start_s, each.end_s) for each in told] == [(each.start_s, each.end_s) for each in direct.segments]
    assert (heard.recording, heard.digest, heard.duration_s) == ("microphone", None, direct.duration_s)
    assert {path.name for path in page.parent.iterdir()} == FILES - {JOURNAL} | {SOUND}
    for one, other in zip(heard.segments, direct.segments, strict=True):
        assert isinstance(one.heard, HeardEmotion)
        assert isinstance(other.heard, HeardEmotion)
        assert one.heard.probabilities == pytest.approx(other.heard.probabilities, abs=1e-5)


def test_a_recording_without_speech_has_all_files(ensemble: Path, predictor: Predictor, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hush.wav", np.zeros(3 * RATE_HZ), RATE_HZ)
    results, page = listen(request_of(tmp_path / "hush.wav", ensemble, tmp_path / "out"), predictor=predictor)
    assert results.segments == ()
    assert {path.name for path in page.parent.iterdir()} == FILES


def test_nothing_is_left_of_a_recording_that_cannot_be_read(
    ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    (tmp_path / "talk.mp3").write_bytes(os.urandom(4000))
    with pytest.raises(MediaError):
        listen(request_of(tmp_path / "talk.mp3", ensemble, tmp_path / "out"), predictor=predictor)
    assert not (tmp_path / "out" / PAGE).exists()
    assert list(tmp_path.rglob("*.part")) == []


def test_the_results_are_json_with_a_format(
    recording: Path, ensemble: Path, predictor: Predictor, tmp_path: Path
) -> None:
    listen(request_of(recording, ensemble, tmp_path), predictor=predictor)
    content = json.loads((tmp_path / "listening.json").read_text(encoding="utf-8"))
    assert content["format"] == 1
    assert content["segments"][0].keys() == {"start_s", "end_s", "text", "heard", "refusal", "smoothed"}
