"""`merflow predict` and `merflow listen` with a model of sentiment: training's own scores, and files that show them."""

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.heard import HeardScore
from merflow.contracts.listening_results import read_listening
from merflow.corpus.samples import RATE_HZ
from merflow.inference.media_clips import Clip, Samples, dialogue
from merflow.jobs.listen import ELAN, JOURNAL, LABELS, PAGE, TABLE
from merflow.opening.open_model import open_model
from merflow.serving.answers import ClipScore
from tests.cli.command import merflow, refused
from tests.rated_clips import RatedFold, scores_of, write_table

FILES = {"listening.json", JOURNAL, PAGE, TABLE, ELAN, LABELS}


@pytest.fixture(scope="module")
def table(rated_fold: RatedFold, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "clips.csv"
    write_table(rated_fold.turns, path)
    return path


@pytest.fixture(scope="module")
def recording(rated_fold: RatedFold, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return several turns as one recording, with pauses."""
    pause = np.zeros(RATE_HZ, dtype=np.float32)
    parts = [pause]
    for turn in rated_fold.turns[:10]:
        samples, _ = soundfile.read(turn.recording, dtype="float32")
        parts += [samples, pause]
    path = tmp_path_factory.mktemp("recordings") / "talk.wav"
    soundfile.write(path, np.concatenate(parts), RATE_HZ, subtype="PCM_16")
    return path


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_fold_predicts_its_test_part_as_in_training(
    rated_fold: RatedFold, table: Path, tmp_path: Path, calibrated: bool
) -> None:
    model, out = rated_fold.folder if calibrated else rated_fold.folder / "model", tmp_path / "results.csv"
    said = merflow("predict", table, "--model", model, "--out", out, "--device", "cpu")
    assert said.code == 0, said
    lone = "Not calibrated, so that its scores have no intervals: it stands alone, without its development data."
    assert (lone in said.out) != calibrated
    assert said.out.splitlines()[0].split() == ["clip", "sentiment", "read", "warnings"]
    found = pd.read_csv(out)
    places, trained = scores_of(rated_fold.tested, rated_fold.turns)
    assert len(found) == len(rated_fold.turns) > len(trained) > 20
    assert found["clip"].tolist() == [turn.name for turn in rated_fold.turns]
    assert found["score"].to_numpy()[places] == pytest.approx(trained, abs=1e-5)
    if calibrated:
        assert (found["low"] <= found["high"]).all()
        assert found["low"].min() >= -3
        assert found["high"].max() <= 3
        holds_middle = (found["low"] <= 0) & (found["high"] >= 0)
        assert (found["abstained"] == holds_middle).all()
        assert (found["answer"].str.startswith("not sure: ") == holds_middle).all()
    else:
        assert found[["low", "high", "abstained"]].isna().all(axis=None)


def predicted(*arguments: object) -> Any:  # noqa: ANN401 - JSON
    said = merflow("predict", *arguments, "--device", "cpu", "--json")
    assert said.code == 0, said
    return json.loads(said.out)


def test_finished_clips_are_remembered_and_unreadable_ones_set_aside(rated_fold: RatedFold, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    clips = [*(turn.recording for turn in rated_fold.turns[:3]), broken]
    arguments = (*clips, "--model", rated_fold.folder, "--out", tmp_path / "results.csv")
    first, again = predicted(*arguments), predicted(*arguments)
    assert (first["remembered"], again["remembered"]) == (0, 3)
    assert first["clips"] == again["clips"]
    assert first["model"]["scale"] == {"task": "sentiment", "low": -3.0, "high": 3.0}
    assert first["model"]["classes"] == []
    heard = [clip["heard"] for clip in first["clips"]]
    assert set(heard[0]) == {"score", "low", "high", "sure", "modalities", "warnings"}
    assert heard[3] is None
    assert "cannot be read" in first["clips"][3]["refusal"]
    assert "no such folder" in refused("predict", broken, "--model", rated_fold.folder / "nowhere")
    said = merflow("predict", broken, "--model", rated_fold.folder, "--device", "cpu")
    assert (said.code, said.out.splitlines()[0].startswith("not predicted: ")) == (2, True)


def test_folds_together_are_the_package_that_would_be_registered(
    rated_benchmark: Path, rated_ensemble: Path, rated_fold: RatedFold
) -> None:
    folds, package = (open_model(str(each), device="cpu") for each in (rated_benchmark, rated_ensemble))
    clips = [Clip(turn.name, audio=turn.recording, text=turn.text) for turn in rated_fold.turns[:5]]
    answers, packaged = folds.predict(clips), package.predict(clips)
    assert folds.model.version == package.model.version, "the same weights"
    assert folds.model.scale == package.model.scale is not None
    for one, other in zip(answers, packaged, strict=True):
        assert isinstance(one, ClipScore)
        assert isinstance(other, ClipScore)
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert one.low is not None
        assert other.low is not None
        assert other.low >= one.low, "the package promises 80% coverage, and the folds 90%"


def test_a_recording_becomes_a_page_and_files(rated_ensemble: Path, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = merflow("listen", recording, "--model", rated_ensemble, "--out", out, "--device", "cpu")
    assert said.code == 0, said
    assert {path.name for path in out.iterdir()} == FILES
    results = read_listening(out)
    heard = [segment.heard for segment in results.segments]
    assert len(heard) >= 8
    scores = [each for each in heard if isinstance(each, HeardScore)]
    assert len(scores) == len(heard)
    lines = said.out.splitlines()
    assert lines[0].split() == ["sentiment", "speech", "share", "segments"]
    assert [line.split()[0] for line in lines[1:4]] == ["negative", "positive", "not"]
    assert any(line.startswith("Mean sentiment: ") for line in lines)

    samples, _ = soundfile.read(recording, dtype="float32")
    ends = [(round(each.start_s * RATE_HZ), round(each.end_s * RATE_HZ)) for each in results.segments]
    predictor = open_model(str(rated_ensemble), device="cpu")
    clips = [Clip(str(first), audio=Samples(samples[first:end])) for first, end in ends]
    answers = predictor.predict(dialogue(clips, reach=predictor.reach))
    for one, answer in zip(scores, answers, strict=True):
        assert isinstance(answer, ClipScore)
        assert one.score == pytest.approx(answer.score, abs=1e-5)
        assert (one.low, one.high) == pytest.approx((answer.low, answer.high), abs=1e-5)
        assert one.sure == answer.sure

    with (out / TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["score"]) for row in rows] == pytest.approx([each.score for each in scores], abs=1e-5)
    assert [row["answer"] for row in rows] == [each.answer for each in scores]
    labels = [line.split("\t")[2] for line in (out / LABELS).read_text(encoding="utf-8").splitlines()]
    assert labels == [each.answer for each in scores]
    tiers = {tier.attrib["TIER_ID"] for tier in ElementTree.parse(out / ELAN).getroot().iter("TIER")}
    assert tiers == {"sentiment", "smoothed", "score", "low", "high", "words"}
    assert (out / PAGE).read_text(encoding="utf-8").count('class="gauge" role="img"') == len(scores)

    again = merflow("listen", recording, "--model", rated_ensemble, "--out", out, "--device", "cpu", "--json")
    found = json.loads(again.out)
    assert found["speed"]["remembered"] == len(scores)
    assert found["segments"] == json.loads(results.model_dump_json())["segments"]
