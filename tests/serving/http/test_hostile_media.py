"""Damaged, huge and foreign files: each is refused or answered right, and the server lives."""

import base64
import resource

import pytest

from merflow.inference.media_clips import Clip, Samples
from merflow.serving.answers import ClipPrediction
from merflow.serving.predictor import Predictor
from tests.serving.http.hostile_media import ANSWERED, LONG, TOO_LONG, media, tone
from tests.serving.http.running import Running

FILES = media()


@pytest.mark.parametrize("name", [*FILES, *LONG])
def test_a_file_is_refused_or_answered(server: Running, name: str) -> None:
    content = FILES[name] if name in FILES else LONG[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = server.upload("/predict", ("file", f"{name}.wav", content))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024, "memory in KiB"
    if name in ANSWERED:
        assert reply.status == 200, reply.body
    elif name in TOO_LONG:
        assert (reply.status, reply.json["reason"]) == (413, "too-long")
    else:
        assert reply.status in (200, 415, 422), reply.body
    if reply.status == 200:
        (answer,) = reply.json["predictions"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert answer["modalities"] == ["audio"]
    else:
        assert "Traceback" not in reply.json["error"]
        assert "/tmp/" not in reply.json["error"]
    instances = {"instances": [{"audio": base64.b64encode(content).decode()}]}
    assert server.post_json("/v1/models/tiny:predict", instances).status in {reply.status, 422}
    assert server.send("GET", "/v2/health/ready").status == 200


def test_96_khz_and_eight_channels_are_answered_like_the_same_sound_in_memory(
    server: Running, predictor: Predictor
) -> None:
    sound = Samples(tone(rate_hz=96_000)[:, None].repeat(8, axis=1), 96_000)
    (wanted,) = predictor.predict([Clip("tone", audio=sound)])
    assert isinstance(wanted, ClipPrediction)
    reply = server.upload("/predict", ("file", "a.wav", FILES["wav-96-khz-8-channels"]))
    found = reply.json["predictions"][0]["probabilities"]
    assert found == pytest.approx(wanted.probabilities, abs=1e-3)  # 16 bits per sample in the file


def test_silence_is_answered_with_a_warning(server: Running) -> None:
    (answer,) = server.upload("/predict", ("file", "a.wav", FILES["wav-silent"])).json["predictions"]
    assert any("silent" in warning for warning in answer["warnings"])
