"""`merflow predict`: as in training, in batches that continue, from files, folders, tables and standard input."""

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.progress import plain_lines
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.inference.media_clips import Clip, Samples
from merflow.jobs import predict as job
from merflow.opening.open_model import open_model
from merflow.runs.fold_folder import folds_below, read_predictions
from merflow.serving.answers import ClipPrediction, RefusedClip
from tests.cli.command import merflow, refused
from tests.corpus.transcription.whisper_miniature import build_whisper


@pytest.fixture(scope="module")
def manifest(benchmark: Path) -> Manifest:
    return read_manifest(benchmark / "manifest.parquet")


@pytest.fixture(scope="module")
def table(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a table of all turns of the corpus, in the order of their dialogues."""
    rows = manifest.rows.sort_values(["dialogue_id", "turn_index"])
    path = tmp_path_factory.mktemp("table") / "clips.csv"
    pd.DataFrame(
        {
            "utterance_id": rows["utterance_id"],
            "audio": [os.path.relpath(manifest.root / each, path.parent) for each in rows["audio_path"]],
            "text": rows["transcript"],
            "gender": rows["gender"],
            "dialogue": rows["dialogue_id"],
        }
    ).to_csv(path, index=False)
    return path


def first_fold(benchmark: Path) -> Path:
    return min(folds_below(benchmark / "folds"))


def recordings(manifest: Manifest, count: int) -> list[Path]:
    return [manifest.root / path for path in manifest.rows["audio_path"][:count]]


def predicted(*arguments: object) -> Any:  # noqa: ANN401 - JSON
    said = merflow("predict", *arguments, "--device", "cpu", "--json")
    assert said.code == 0, said
    return json.loads(said.out)


def test_a_fold_predicts_its_test_part_as_in_training(benchmark: Path, table: Path, tmp_path: Path) -> None:
    fold, out = first_fold(benchmark), tmp_path / "results.csv"
    said = merflow("predict", table, "--model", fold / "model", "--out", out, "--device", "cpu")
    assert said.code == 0, said
    assert 'Not calibrated, so it never answers "not sure"' in said.out
    tested = read_predictions(fold)
    found = pd.read_csv(out).set_index("clip").loc[tested["utterance_id"]]
    columns = [f"p_{name}" for name in ("angry", "happy", "neutral", "sad")]
    assert len(found) == len(tested) > 20
    assert found[columns].to_numpy() == pytest.approx(np.stack(tested["probabilities"].tolist()), abs=1e-5)
    assert (found["answer"] == found["emotion"]).all()


def test_a_clip_that_cannot_be_read_does_not_stop_the_others(
    benchmark: Path, manifest: Manifest, tmp_path: Path
) -> None:
    predictor = open_model(str(first_fold(benchmark) / "model"), device="cpu")
    good = recordings(manifest, 1)[0]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    nan = Samples(np.full(16_000, np.nan, dtype=np.float32))
    clips = [
        Clip("broken", audio=broken),
        Clip("good", audio=good, text="hello"),
        Clip("words left", audio=broken, text="hello"),
        Clip("nothing"),
        Clip("not a number", audio=nan),
        Clip("again", audio=good, text="hello"),
    ]
    first, second, third, fourth, fifth, sixth = predictor.predict(clips)
    assert isinstance(first, RefusedClip)
    assert "broken.wav" in first.reason
    assert isinstance(second, ClipPrediction)
    assert second.modalities == ("audio", "text")
    assert isinstance(third, ClipPrediction)
    assert third.modalities == ("text",)
    assert third.warnings[0].startswith("its audio cannot be read: ")
    assert fourth == RefusedClip("nothing", "it has no audio or text, which the model reads")
    assert isinstance(fifth, RefusedClip)
    assert "not all finite" in fifth.reason
    assert isinstance(sixth, ClipPrediction)
    assert sixth.probabilities == pytest.approx(second.probabilities, abs=1e-6)
    assert predictor.predict([]) == []


def test_an_interrupted_run_continues_and_files_that_cannot_be_read_are_set_aside(
    benchmark: Path, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "clips", tmp_path / "results.csv"
    (folder / "inner").mkdir(parents=True)
    for number, path in enumerate(recordings(manifest, 6)):
        (folder / "inner" / f"{number}.wav").symlink_to(path)
    (folder / "bad.mp3").write_bytes(b"no sound")
    (folder / "notes.txt").write_text("no clip")
    (folder / ".hidden.wav").write_bytes(b"")
    arguments = (folder, "--model", first_fold(benchmark) / "model", "--out", out)
    monkeypatch.setattr(job, "BATCH", 3)
    progress = plain_lines()

    def interrupted(stage: str, done: int, total: int) -> None:
        progress(stage, done, total)
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("merflow.jobs.predict.plain_lines", lambda: interrupted)
    assert merflow("predict", *arguments, "--device", "cpu").code == 130
    assert not out.exists()
    monkeypatch.setattr("merflow.jobs.predict.plain_lines", lambda: progress)
    found = predicted(*arguments)
    assert (found["remembered"], found["ignored"], len(found["clips"])) == (2, 1, 7)
    assert [clip["clip"].removeprefix(f"{folder}/") for clip in found["clips"] if clip["refusal"]] == ["bad.mp3"]
    assert predicted(*arguments)["remembered"] == 6
    (folder / "inner" / "0.wav").unlink()
    soundfile.write(folder / "inner" / "0.wav", 0.1 * np.sin(np.arange(32_000)), 16_000)
    changed = predicted(*arguments)
    assert changed["remembered"] == 5, "a file that changed is predicted again"
    assert len(pd.read_csv(out)) == 7
    other = (folder, "--model", max(folds_below(benchmark / "folds")) / "model", "--out", out)
    assert predicted(*other)["remembered"] == 0, "another model has its own results"


def test_standard_input_is_a_recording_or_a_table(
    benchmark: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (path,) = ("--model", first_fold(benchmark) / "model"), recordings(manifest, 1)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    (piped,) = predicted("-", *model, "--text", "hello")["clips"]
    (named,) = predicted(path, *model, "--text", "hello")["clips"]
    assert piped["heard"] == named["heard"]
    assert piped["clip"] == "standard input"
    content = f"audio,text\n{path},hello\n,only words\n".encode()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    first, second = predicted("-", *model, "--stdin-table")["clips"]
    assert first["heard"]["probabilities"] == pytest.approx(named["heard"]["probabilities"], abs=1e-6)
    assert first["clip"] == str(path)
    assert second["heard"]["modalities"] == ["text"]


def test_words_come_from_whisper_where_there_are_none(benchmark: Path, manifest: Manifest, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    whisper = build_whisper(tmp_path / "whisper")
    found = predicted(
        *recordings(manifest, 2),
        "--model",
        first_fold(benchmark) / "model",
        "--transcribe",
        "--set",
        f"transcription.model={whisper}",
        "--out",
        tmp_path / "a.csv",
    )
    assert found["transcription"] == str(whisper)
    assert all(clip["text"] and clip["heard"]["modalities"] == ["audio", "text"] for clip in found["clips"])


def test_bad_input_is_refused_with_a_remedy(benchmark: Path, manifest: Manifest, tmp_path: Path) -> None:
    fold = first_fold(benchmark)
    clips = recordings(manifest, 2)
    assert "no such folder: runs/nowhere; name the folder of" in refused("predict", clips[0], "--model", "runs/nowhere")
    assert "no such file or folder: nowhere.wav" in refused("predict", "nowhere.wav", "--model", fold)
    assert "--text gives the words of one clip" in refused("predict", *clips, "--model", fold, "--text", "hello")
    assert "no recording or video in" in refused("predict", tmp_path, "--model", fold)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    said = merflow("predict", broken, "--model", fold / "model", "--device", "cpu")
    assert said.code == 2, "nothing could be predicted"
    assert f"not predicted: {broken}: " in said.out
    table = tmp_path / "table.csv"
    table.write_text("file\na.wav\n")
    assert "has the columns file; it needs one of audio, video, text" in refused("predict", table, "--model", fold)
