"""Limits of a server: size, duration, number, concurrency, queue and patience; and its API key."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from merflow.serving.http import server as server_module
from merflow.serving.http.settings import Batching, Limits, ServeSettings
from merflow.serving.predictor import Predictor
from tests.serving.http.hostile_media import encoded, tone
from tests.serving.http.running import BOUNDARY, Reply, Running, form, running

WAV = encoded(tone(0.4))
KIND = f"multipart/form-data; boundary={BOUNDARY}"
KEY = "a-key-of-the-tests"


@pytest.fixture(scope="module")
def small(predictor: Predictor) -> Iterator[Running]:
    """Run a server with small limits."""
    limits = Limits(upload_mib=0.25, clip_s=2, recording_s=4, clips=3, text_chars=20, body_s=0.5)
    with running(predictor, ServeSettings(limits=limits)) as started:
        yield started


def refused(reply: Reply, status: int, reason: str) -> bool:
    return (reply.status, reply.json["reason"]) == (status, reason)


def test_size_duration_and_number(small: Running) -> None:
    large, long = encoded(tone(9)), encoded(tone(2.5))
    assert refused(small.upload("/predict", ("file", "a.wav", large)), 413, "too-large")
    assert refused(small.upload("/predict", ("file", "a.wav", long)), 413, "too-long")
    assert small.upload("/listen", ("file", "a.wav", long)).json["whole"] is None
    assert refused(small.upload("/listen", ("file", "a.wav", encoded(tone(4.5)))), 413, "too-long")
    assert refused(small.upload("/predict", *[("file", "a.wav", WAV)] * 4), 413, "too-large")
    assert refused(small.upload("/predict", ("text", None, b"a" * 21)), 413, "too-large")
    assert small.upload("/predict", *[("file", "a.wav", WAV)] * 3).status == 200


def test_a_body_without_a_declared_length_is_counted(small: Running) -> None:
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {KIND}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert b" 413 " in small.raw(head + chunk * 5)[:20]


def test_a_client_that_declares_too_much_is_not_asked_to_send_it(small: Running) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {KIND}\r\nContent-Length: {10**9}\r\n"
    assert b" 413 " in small.raw(f"{head}Expect: 100-continue\r\n\r\n".encode())[:20]


def test_slow_bodies_end_with_408(small: Running) -> None:
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {KIND}\r\nContent-Length: 1000\r\n\r\n".encode()
    assert b" 408 " in small.raw(head + b"--")[:20]
    assert small.service.state.open_requests == 0


def test_heads_that_never_end_lose_their_connection(small: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_S", 0.3)
    assert small.raw(b"GET /v2 HTTP/1.1\r\nHost:") == b""
    with socket.create_connection(("127.0.0.1", small.port), timeout=30) as connection:
        assert connection.recv(1) == b"", "a connection that says nothing is closed too"


def test_a_full_queue_and_too_many_requests_are_told_to_come_back(predictor: Predictor) -> None:
    settings = ServeSettings(limits=Limits(queue=2, concurrency=4), batching=Batching(clips=64, wait_ms=1500))
    with running(predictor, settings) as busy, ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: busy.upload("/predict", ("file", "a.wav", WAV)), range(12)))
        metrics = busy.send("GET", "/metrics").body.decode()
    statuses = sorted(reply.status for reply in replies)
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2
    for reply in replies:
        if reply.status == 429:
            assert reply.json["reason"] == "queue-full"
            assert int(reply.headers["retry-after"]) >= 1
    assert f'merflow_refused_total{{reason="queue-full"}} {statuses.count(429)}.0' in metrics


def test_clips_of_many_clients_share_batches_and_get_their_own_answers(
    predictor: Predictor, recordings: list[Path]
) -> None:
    contents = [path.read_bytes() for path in recordings] * 4
    with running(predictor, ServeSettings(batching=Batching(clips=8, wait_ms=50))) as server:
        alone = [server.upload("/predict", ("file", "a", content)).json["predictions"][0] for content in contents[:6]]
        before = server.service.metrics.registry.get_sample_value("merflow_batch_clips_count")
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda content: server.upload("/predict", ("file", "a", content)), contents))
        after = server.service.metrics.registry.get_sample_value("merflow_batch_clips_count")
        metrics = server.send("GET", "/metrics").body.decode()
    assert after is not None
    assert before == 6
    assert after - before < len(contents)
    for reply, wanted in zip(replies, alone * 4, strict=True):
        assert reply.json["predictions"][0]["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)
    for line in ("merflow_queue_clips 0.0", "merflow_open_requests 0.0", "merflow_confidence_count 30.0"):
        assert line in metrics
    assert "merflow_abstentions_total" in metrics
    assert 'merflow_request_seconds_count{route="/predict",status="200"} 30.0' in metrics


def test_a_model_that_takes_too_long_is_given_up(predictor: Predictor) -> None:
    settings = ServeSettings(limits=Limits(answer_s=0.2), batching=Batching(clips=64, wait_ms=1000))
    with running(predictor, settings) as slow:
        reply = slow.upload("/predict", ("file", "a.wav", WAV))
        assert refused(reply, 503, "timeout")
        assert "retry-after" in reply.headers


def test_the_key_is_required_everywhere_but_at_probes_and_the_page(predictor: Predictor) -> None:
    with running(predictor, ServeSettings(api_key=KEY)) as locked:
        for path in ("/v2/health/live", "/v2/health/ready", "/", "/page/serve.js", "/docs", "/openapi.json"):
            assert locked.send("GET", path).status == 200
        for path in ("/model", "/model/card", "/metrics", "/v2", "/v2/models/tiny", "/v1/models/tiny", "/v2/health"):
            assert refused(locked.send("GET", path), 401, "unauthorized")
        content = form(("file", "a.wav", WAV))
        for headers, status in (
            ({}, 401),
            ({"X-API-Key": KEY}, 200),
            ({"Authorization": f"Bearer {KEY}"}, 200),
            ({"Authorization": f"bearer  {KEY}"}, 200),
            ({"X-API-Key": KEY[:-1]}, 401),
            ({"X-API-Key": KEY + "x"}, 401),
            ({"X-API-Key": ""}, 401),
            ({"Authorization": f"Basic {KEY}"}, 401),
            ({"X-API-Key": "x" * 5000}, 401),
        ):
            assert locked.send("POST", "/predict", content, {"Content-Type": KIND, **headers}).status == status


def test_nothing_is_kept_by_default(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary, kept = tmp_path / "temporary", tmp_path / "kept"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with running(predictor) as server:
        assert server.upload("/predict", ("file", "../a.wav", WAV)).status == 200
        assert server.send("GET", "/model").json["keeps_requests"] is False
    assert list(temporary.iterdir()) == []
    with running(predictor, ServeSettings(keep=kept)) as server:
        assert server.upload("/predict", ("file", "../a.wav", WAV), ("text", None, b"hello")).status == 200
        assert server.send("GET", "/model").json["keeps_requests"] is True
    files = {path.relative_to(kept).parts[2]: path for path in kept.rglob("*") if path.is_file()}
    assert set(files) == {"001.audio", "answers.json"}
    assert files["001.audio"].read_bytes() == WAV
    assert '"hello"' in files["answers.json"].read_text()


def test_a_server_that_drains_refuses_and_finishes(predictor: Predictor) -> None:
    settings = ServeSettings(batching=Batching(clips=64, wait_ms=1500))
    with running(predictor, settings, drain_s=1.0) as server:
        accepted: list[Reply] = []
        asks = threading.Thread(target=lambda: accepted.append(server.upload("/predict", ("file", "a.wav", WAV))))
        asks.start()
        while not server.service.state.open_requests:
            time.sleep(0.01)
        server.server.drain()
        ready = server.send("GET", "/v2/health/ready")
        assert (ready.status, ready.json) == (503, {"ready": False})
        assert server.send("GET", "/v2/health/live").status == 200
        assert refused(server.upload("/predict", ("file", "a.wav", WAV)), 503, "draining")
        asks.join(30)
        assert [reply.status for reply in accepted] == [200]
