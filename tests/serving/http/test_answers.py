"""One model, asked directly and through each protocol: the answers are the same."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.inference.media_clips import Clip, dialogue
from merflow.serving.answers import ClipPrediction
from merflow.serving.http.binary_tensors import HEADER
from merflow.serving.media import open_clip
from merflow.serving.predictor import Predictor
from tests.serving.http.running import Reply, Running

TEXT, GENDERS = "I cannot believe it", ("F", "M", "F", "M", "F", "F")
CLOSE = 1e-5


@pytest.fixture(scope="module")
def expected(predictor: Predictor, recordings: list[Path]) -> list[ClipPrediction]:
    """Return the model's own answers, one clip at a time."""
    answers = []
    for path, gender in zip(recordings, GENDERS, strict=True):
        (answer,) = predictor.predict([open_clip(path, clip_id=path.name, text=TEXT)], groups=[gender])
        assert isinstance(answer, ClipPrediction)
        answers.append(answer)
    assert len({answer.emotion for answer in answers} | {str(answer.possible) for answer in answers}) > 1
    return answers


def check(found: list[Any], expected: list[ClipPrediction]) -> None:
    """Check answers in the form of V1 and of uploads."""
    assert len(found) == len(expected)
    for one, answer in zip(found, expected, strict=True):
        assert one["probabilities"] == pytest.approx(answer.probabilities, abs=CLOSE)
        assert (one["emotion"], tuple(one["possible"]), one["sure"]) == (answer.emotion, answer.possible, answer.sure)
        assert tuple(one["modalities"]) == answer.modalities == ("audio", "text")
        assert tuple(one["warnings"]) == answer.warnings
        assert one["duration_s"] == pytest.approx(answer.duration_s)
        assert one["error"] is None


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_v1(server: Running, recordings: list[Path], expected: list[ClipPrediction]) -> None:
    media = [
        encoded(recordings[0]),
        {"b64": encoded(recordings[1])},
        f"data:audio/wav;base64,{encoded(recordings[2])}",
        *map(encoded, recordings[3:]),
    ]
    instances = [{"audio": one, "text": TEXT, "gender": gender} for one, gender in zip(media, GENDERS, strict=True)]
    reply = server.post_json("/v1/models/tiny:predict", {"instances": instances})
    assert reply.status == 200
    check(reply.json["predictions"], expected)


def tensors(recordings: list[Path]) -> dict[str, list[bytes]]:
    """Return the columns of a request."""
    return {
        "audio": [path.read_bytes() for path in recordings],
        "text": [TEXT.encode()] * len(recordings),
        "gender": [gender.encode() for gender in GENDERS],
    }


@pytest.mark.parametrize("path", ["/v2/models/tiny/infer", "/v2/models/tiny/versions/{version}/infer"])
def test_v2_in_json(
    server: Running, predictor: Predictor, recordings: list[Path], expected: list[ClipPrediction], path: str
) -> None:
    inputs = [
        {
            "name": name,
            "shape": [6, 1],
            "datatype": "BYTES",
            "data": [[base64.b64encode(value).decode() if name == "audio" else value.decode()] for value in values],
        }
        for name, values in tensors(recordings).items()
    ]
    path = path.format(version=predictor.model.version)
    reply = server.post_json(path, {"id": "mine", "inputs": inputs})
    assert reply.status == 200
    answer = reply.json
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("tiny", predictor.model.version, "mine")
    found = {output["name"]: output for output in answer["outputs"]}
    classes = list(predictor.model.classes)
    assert found["probabilities"]["shape"] == [6, len(classes)]
    assert found["probabilities"]["parameters"]["labels"] == classes
    wanted = [one.probabilities[name] for one in expected for name in classes]
    assert found["probabilities"]["data"] == pytest.approx(wanted, abs=CLOSE)
    assert found["emotion"]["data"] == [one.emotion for one in expected]
    assert found["possible"]["data"] == [name in one.possible for one in expected for name in classes]
    assert found["sure"]["data"] == [one.sure for one in expected]
    assert [json.loads(one) for one in found["modalities"]["data"]] == [["audio", "text"]] * 6
    assert [tuple(json.loads(one)) for one in found["warnings"]["data"]] == [one.warnings for one in expected]


def elements(values: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def infer_binary(server: Running, columns: dict[str, list[bytes]], **extra: object) -> Reply:
    parts = {name: elements(values) for name, values in columns.items()}
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": [len(columns[name])],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(part)},
                }
                for name, part in parts.items()
            ],
            **extra,
        }
    ).encode()
    kind = {"Content-Type": "application/octet-stream", HEADER: str(len(head))}
    return server.send("POST", "/v2/models/tiny/infer", head + b"".join(parts.values()), kind)


def test_v2_binary_in_and_out(
    server: Running, predictor: Predictor, recordings: list[Path], expected: list[ClipPrediction]
) -> None:
    reply = infer_binary(
        server,
        tensors(recordings),
        outputs=[
            {"name": "emotion", "parameters": {"binary_data": True}},
            {"name": "sure", "parameters": {"binary_data": True}},
            {"name": "possible"},
            {"name": "probabilities", "parameters": {"binary_data": True}},
        ],
    )
    assert reply.status == 200
    length = int(next(value for name, value in reply.headers.items() if name.lower() == HEADER.lower()))
    outputs = {output["name"]: output for output in json.loads(reply.body[:length])["outputs"]}
    rest = reply.body[length:]
    content = {}
    for name in ("emotion", "sure", "probabilities"):
        size = outputs[name]["parameters"]["binary_data_size"]
        content[name], rest = rest[:size], rest[size:]
    assert rest == b""
    assert content["emotion"] == elements([one.emotion.encode() for one in expected])
    assert np.frombuffer(content["sure"], dtype=np.bool_).tolist() == [one.sure for one in expected]
    classes = predictor.model.classes
    found = np.frombuffer(content["probabilities"], dtype="<f8").reshape(6, len(classes))
    wanted = np.array([[one.probabilities[name] for name in classes] for one in expected])
    np.testing.assert_allclose(found, wanted, atol=CLOSE)
    assert outputs["possible"]["data"] == [name in one.possible for one in expected for name in classes]


def test_binary_outputs_are_asked_for_all_at_once(server: Running, recordings: list[Path]) -> None:
    reply = infer_binary(server, tensors(recordings), parameters={"binary_data_output": True})
    assert reply.headers["content-type"] == "application/octet-stream"
    length = int(reply.headers[HEADER.lower()])
    outputs = json.loads(reply.body[:length])["outputs"]
    assert len(outputs) == 6
    assert sum(output["parameters"]["binary_data_size"] for output in outputs) == len(reply.body) - length
    assert all("data" not in output for output in outputs)


def test_uploads(server: Running, recordings: list[Path], expected: list[ClipPrediction]) -> None:
    found = []
    for path, gender in zip(recordings, GENDERS, strict=True):
        reply = server.upload(
            "/predict",
            ("file", path.name, path.read_bytes()),
            ("text", None, TEXT.encode()),
            ("gender", None, gender.encode()),
        )
        assert reply.status == 200
        assert [one["clip"] for one in reply.json["predictions"]] == [path.name]
        found += reply.json["predictions"]
    check(found, expected)


def test_a_file_that_cannot_be_read_is_refused_alone(server: Running, recordings: list[Path]) -> None:
    files = [("file", "a.wav", recordings[0].read_bytes()), ("file", "b.wav", b"no sound"), ("file", "c.wav", b"")]
    first, second, third = server.upload("/predict", *files).json["predictions"]
    assert first["error"] is None
    assert first["emotion"] in first["probabilities"]
    assert "cannot be read" in second["error"]
    assert second["emotion"] is None
    assert "is empty" in third["error"]
    nothing = server.upload("/predict", files[1])
    assert (nothing.status, nothing.json["reason"]) == (415, "not-media")


def test_words_alone_are_enough_for_a_model_that_reads(server: Running, predictor: Predictor) -> None:
    (answer,) = predictor.predict([Clip("text", text=TEXT)])
    assert isinstance(answer, ClipPrediction)
    (found,) = server.upload("/predict", ("text", None, TEXT.encode())).json["predictions"]
    assert found["probabilities"] == pytest.approx(answer.probabilities, abs=CLOSE)
    assert (found["modalities"], found["duration_s"]) == (["text"], None)


def test_turns_of_a_dialogue_read_each_other(server: Running, recordings: list[Path], predictor: Predictor) -> None:
    assert predictor.reach > 0
    clips = [open_clip(path, clip_id=path.name, text=f"turn {path.stem}") for path in recordings]
    wanted = predictor.predict(dialogue(clips, reach=predictor.reach))
    instances = [{"audio": encoded(path), "text": f"turn {path.stem}", "dialogue": "d1"} for path in recordings]
    found = server.post_json("/v1/models/tiny:predict", {"instances": instances}).json["predictions"]
    for one, answer in zip(found, wanted, strict=True):
        assert isinstance(answer, ClipPrediction)
        assert one["probabilities"] == pytest.approx(answer.probabilities, abs=CLOSE)
    alone = [
        server.post_json("/v1/models/tiny:predict", {"instances": [one]}).json["predictions"][0] for one in instances
    ]
    assert [one["probabilities"] for one in found] != [one["probabilities"] for one in alone]


def test_a_recording_is_heard_as_a_whole_and_its_shape_returned(server: Running, recordings: list[Path]) -> None:
    found = server.upload("/listen", ("file", "a.wav", recordings[0].read_bytes())).json
    (same,) = server.upload("/predict", ("file", "a.wav", recordings[0].read_bytes())).json["predictions"]
    assert found["whole"] == same
    assert found["duration_s"] == pytest.approx(same["duration_s"])
    assert 0 < max(found["envelope"]) <= 1
    assert len(found["envelope"]) == 480
