"""A model of sentiment, asked through each protocol: training's own scores, with the interval of its calibration."""

import base64
import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.traffic_log import TrafficLog, read_traffic
from merflow.inference.media_clips import Clip, dialogue
from merflow.opening.open_model import open_model
from merflow.serving.answers import ClipScore, RefusedClip
from merflow.serving.http.binary_tensors import HEADER
from merflow.serving.http.model_copies import model_copies
from merflow.serving.http.settings import ServeSettings
from merflow.serving.http.traffic import Traffic
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.rated_clips import RatedFold, Turn, scores_of
from tests.serving.http.running import Running, running

CLOSE = 1e-5
AT_ONCE = 64


@pytest.fixture(scope="module")
def expected(scorer: Predictor, rated_fold: RatedFold) -> list[ClipScore]:
    """Return the model's own answers; its scores are those of training."""
    by_dialogue = defaultdict[str, list[Clip]](list)
    for turn in rated_fold.turns:
        by_dialogue[turn.dialogue].append(open_clip(turn.recording, clip_id=turn.name, text=turn.text))
    clips = [clip for turns in by_dialogue.values() for clip in dialogue(turns, reach=scorer.reach)]
    answers = [answer for answer in scorer.predict(clips) if isinstance(answer, ClipScore)]
    assert [answer.clip_id for answer in answers] == [turn.name for turn in rated_fold.turns]
    assert scorer.reach > 0
    assert all(answer.low is not None and answer.high is not None for answer in answers)
    assert {answer.sure for answer in answers} == {answer.low * answer.high > 0 for answer in answers}  # type: ignore[operator]
    return answers


def batches(turns: list[Turn]) -> Iterator[list[Turn]]:
    """Yield whole dialogues, as many as a request may hold."""
    batch: list[Turn] = []
    by_dialogue = defaultdict[str, list[Turn]](list)
    for turn in turns:
        by_dialogue[turn.dialogue].append(turn)
    for own in by_dialogue.values():
        if len(batch) + len(own) > AT_ONCE:
            yield batch
            batch = []
        batch = [*batch, *own]
    yield batch


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def check(scores: Any, lows: Any, highs: Any, sure: Any, *, rated_fold: RatedFold, expected: list[ClipScore]) -> None:  # noqa: ANN401
    """Compare with training, and with the model's own intervals."""
    places, trained = scores_of(rated_fold.tested, rated_fold.turns)
    assert len(places) == len(trained) > 20
    assert np.asarray(scores)[places] == pytest.approx(trained, abs=CLOSE)
    assert list(scores) == pytest.approx([answer.score for answer in expected], abs=CLOSE)
    assert list(lows) == pytest.approx([answer.low for answer in expected], abs=CLOSE)
    assert list(highs) == pytest.approx([answer.high for answer in expected], abs=CLOSE)
    assert list(sure) == [answer.sure for answer in expected]


def test_v1(scoring: Running, rated_fold: RatedFold, expected: list[ClipScore]) -> None:
    found: list[Any] = []
    for batch in batches(rated_fold.turns):
        instances = [{"audio": encoded(turn.recording), "text": turn.text, "dialogue": turn.dialogue} for turn in batch]
        reply = scoring.post_json("/v1/models/tiny:predict", {"instances": instances})
        assert reply.status == 200
        found += reply.json["predictions"]
    assert set(found[0]) == {
        *("clip", "score", "low", "high", "sure", "modalities", "warnings", "duration_s", "error"),
    }
    columns = [[one[name] for one in found] for name in ("score", "low", "high", "sure")]
    check(*columns, rated_fold=rated_fold, expected=expected)


def test_v2_in_json(scoring: Running, rated_fold: RatedFold, expected: list[ClipScore]) -> None:
    found = defaultdict[str, list[Any]](list)
    for batch in batches(rated_fold.turns):
        columns = {
            "audio": [encoded(turn.recording) for turn in batch],
            "text": [turn.text for turn in batch],
            "dialogue": [turn.dialogue for turn in batch],
        }
        inputs = [
            {"name": name, "shape": [len(batch)], "datatype": "BYTES", "data": values}
            for name, values in columns.items()
        ]
        reply = scoring.post_json("/v2/models/tiny/infer", {"inputs": inputs})
        assert reply.status == 200
        outputs = reply.json["outputs"]
        assert [output["name"] for output in outputs] == ["score", "low", "high", "sure", "modalities", "warnings"]
        for output in outputs:
            assert output["shape"] == [len(batch)]
            found[output["name"]] += output["data"]
    check(found["score"], found["low"], found["high"], found["sure"], rated_fold=rated_fold, expected=expected)


def elements(values: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def test_v2_binary_in_and_out(scoring: Running, rated_fold: RatedFold, expected: list[ClipScore]) -> None:
    found: dict[str, list[np.ndarray]] = {"score": [], "low": [], "high": [], "sure": []}
    for batch in batches(rated_fold.turns):
        columns = {
            "audio": elements([turn.recording.read_bytes() for turn in batch]),
            "text": elements([turn.text.encode() for turn in batch]),
            "dialogue": elements([turn.dialogue.encode() for turn in batch]),
        }
        head = json.dumps(
            {
                "inputs": [
                    {
                        "name": name,
                        "shape": [len(batch)],
                        "datatype": "BYTES",
                        "parameters": {"binary_data_size": len(part)},
                    }
                    for name, part in columns.items()
                ],
                "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in found],
            }
        ).encode()
        kind = {"Content-Type": "application/octet-stream", HEADER: str(len(head))}
        reply = scoring.send("POST", "/v2/models/tiny/infer", head + b"".join(columns.values()), kind)
        assert reply.status == 200
        length = int(reply.headers[HEADER.lower()])
        outputs, rest = json.loads(reply.body[:length])["outputs"], reply.body[length:]
        for output in outputs:
            size = output["parameters"]["binary_data_size"]
            number = np.dtype("<f4") if output["datatype"] == "FP32" else np.dtype(np.bool_)
            found[output["name"]].append(np.frombuffer(rest[:size], dtype=number))
            rest = rest[size:]
        assert rest == b""
        assert [output["datatype"] for output in outputs] == ["FP32", "FP32", "FP32", "BOOL"]
    columns_found = [np.concatenate(found[name]) for name in ("score", "low", "high", "sure")]
    check(*columns_found, rated_fold=rated_fold, expected=expected)


def test_uploads_and_recordings_are_answered_the_same_way(
    scoring: Running, scorer: Predictor, rated_fold: RatedFold
) -> None:
    turn = rated_fold.turns[0]
    (wanted,) = scorer.predict([open_clip(turn.recording, clip_id="a.wav", text=turn.text)])
    assert isinstance(wanted, ClipScore)
    form = [("file", "a.wav", turn.recording.read_bytes()), ("text", None, turn.text.encode())]
    reply = scoring.upload("/predict", *form, ("file", "b.wav", b"no sound"))
    assert reply.status == 200
    found, unreadable = reply.json["predictions"]
    listened = scoring.upload("/listen", *form).json
    for one in (found, listened["whole"]):
        assert (one["clip"], one["error"], one["sure"]) == ("a.wav", None, wanted.sure)
        assert [one["score"], one["low"], one["high"]] == pytest.approx(
            [wanted.score, wanted.low, wanted.high], abs=CLOSE
        )
        assert tuple(one["modalities"]) == wanted.modalities == ("audio", "text")
        assert tuple(one["warnings"]) == wanted.warnings
    assert "cannot be read" in unreadable["error"]
    assert (unreadable["score"], unreadable["sure"]) == (None, False)


def test_what_is_wrong_is_refused_as_for_emotions(scoring: Running) -> None:
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["well"]}
    reply = scoring.post_json("/v2/models/tiny/infer", {"inputs": [text], "outputs": [{"name": "probabilities"}]})
    assert reply.status == 422
    assert "outputs are score, low, high, sure, modalities, warnings, each at most once" in reply.json["error"]
    reply = scoring.post_json("/v2/models/tiny/infer", {"inputs": [text], "outputs": [{"name": "low"}]})
    assert [output["name"] for output in reply.json["outputs"]] == ["low"]
    assert scoring.upload("/predict", ("file", "b.wav", b"no sound")).status == 415
    assert scoring.post_json("/v1/models/tiny:predict", {"instances": [{}]}).status == 422


def test_the_descriptions_name_the_scale(scoring: Running) -> None:
    facts = scoring.send("GET", "/model").json
    assert (facts["task"], facts["classes"], facts["colours"], facts["calibrated"]) == ("sentiment", [], {}, True)
    assert facts["scale"] == {
        "low": -3.0,
        "high": 3.0,
        "middle": 0.0,
        "sides": ["negative", "positive"],
        "colours": ["red", "blue"],
    }
    outputs = {one["name"]: one for one in scoring.send("GET", "/v2/models/tiny").json["outputs"]}
    assert {name: one["datatype"] for name, one in outputs.items()} == {
        "score": "FP32",
        "low": "FP32",
        "high": "FP32",
        "sure": "BOOL",
        "modalities": "BYTES",
        "warnings": "BYTES",
    }
    assert all(one["shape"] == [-1] for one in outputs.values())
    description = scoring.send("GET", "/openapi.json").json
    assert description["info"]["summary"].startswith("Sentiment of clips")
    schemas = description["components"]["schemas"]
    assert {"score", "low", "high", "sure"} <= set(schemas["ScoreAnswer"]["properties"])
    assert "Answer" not in schemas


def test_metrics_count_scores(scorer: Predictor, rated_fold: RatedFold) -> None:
    with running(scorer) as fresh:
        files = [
            ("file", f"{place}.wav", turn.recording.read_bytes()) for place, turn in enumerate(rated_fold.turns[:8])
        ]
        answers = fresh.upload("/predict", *files).json["predictions"]
    text = fresh.service.metrics.text().decode()  # once the server has ended, all answers are counted
    metrics = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    below = sum(answer["score"] <= 0 for answer in answers)
    assert float(metrics['merflow_score_bucket{le="0.0"}']) == below
    assert float(metrics["merflow_score_count"]) == len(answers) == 8
    assert float(metrics["merflow_interval_width_count"]) == 8
    widths = sum(answer["high"] - answer["low"] for answer in answers)
    assert float(metrics["merflow_interval_width_sum"]) == pytest.approx(widths)
    assert float(metrics["merflow_abstentions_total"]) == sum(not answer["sure"] for answer in answers)
    assert "merflow_confidence" not in text


def test_a_copy_of_the_model_gives_the_same_scores(scorer: Predictor, rated_fold: RatedFold) -> None:
    opener = partial(open_model, str(rated_fold.folder), device="cpu")
    clips = [open_clip(turn.recording, clip_id=turn.name, text=turn.text) for turn in rated_fold.turns[:3]]
    with model_copies(opener, scorer.model, count=1) as (copy,):
        assert copy.predict(clips, groups=[None] * 3) == scorer.predict(clips)


def test_answers_become_records(scorer: Predictor, expected: list[ClipScore], tmp_path: Path) -> None:
    log = tmp_path / "traffic.jsonl"
    with TrafficLog(log) as file:
        Traffic(file, scorer.model, None).take([*expected, RefusedClip("bad", "it is empty")])
    *records, refused = read_traffic(log)
    assert (refused.refused, refused.format, refused.score) == ("it is empty", 1, None)
    for record, answer in zip(records, expected, strict=True):
        assert (record.score, record.low, record.high) == (answer.score, answer.low, answer.high)
        assert (record.abstained, record.abstains, record.sure, record.format) == (
            not answer.sure,
            True,
            answer.sure,
            2,
        )
        assert record.duration_s == answer.duration_s
        assert (record.model, record.version) == (scorer.model.name, scorer.model.version)


def test_a_fold_that_stands_alone_has_no_interval(rated_fold: RatedFold, tmp_path: Path) -> None:
    alone = open_model(str(rated_fold.folder / "model"), device="cpu")
    assert (alone.model.calibrated, alone.model.abstains, alone.model.task) == (False, False, "sentiment")
    with running(alone, ServeSettings(keep=tmp_path)) as plain:
        reply = plain.upload("/predict", ("file", "a.wav", rated_fold.turns[0].recording.read_bytes()))
        (found,) = reply.json["predictions"]
        outputs = [one["name"] for one in plain.send("GET", "/v2/models/tiny").json["outputs"]]
        text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["well"]}
        answered = plain.post_json("/v2/models/tiny/infer", {"inputs": [text]}).json["outputs"]
    metrics = plain.service.metrics.text().decode()
    assert "merflow_score_count 2.0" in metrics
    assert "merflow_abstentions_total 0.0" in metrics
    assert (found["low"], found["high"], found["sure"]) == (None, None, False)
    assert outputs == [output["name"] for output in answered] == ["score", "sure", "modalities", "warnings"]
    (kept,) = [path for path in tmp_path.rglob("answers.json") if "a.wav" in path.read_text(encoding="utf-8")]
    assert json.loads(kept.read_text(encoding="utf-8"))["answers"][0]["score"] == found["score"]
