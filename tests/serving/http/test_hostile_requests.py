"""Requests that are wrong on purpose: each gets its 4xx, and the server lives."""

import base64
import json
import socket
import struct
import time
from typing import Any

import pytest

from merflow.serving.http.binary_tensors import HEADER
from tests.serving.http.hostile_media import encoded, tone
from tests.serving.http.running import BOUNDARY, Running, form

WAV = encoded(tone(0.4))
B64 = base64.b64encode(WAV).decode()
V1, V2 = "/v1/models/tiny:predict", "/v2/models/tiny/infer"
JSON, BINARY = {"Content-Type": "application/json"}, {"Content-Type": "application/octet-stream"}
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def tensor(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return an input of V2 with these fields changed; None leaves one out."""
    whole = {"name": "audio", "shape": [1], "datatype": "BYTES", "data": [B64]} | changes
    return {name: value for name, value in whole.items() if value is not None}


V1_BODIES: dict[str, tuple[int, Any]] = {
    "no-instances": (422, {}),
    "instances-empty": (422, {"instances": []}),
    "instances-null": (422, {"instances": None}),
    "instances-object": (422, {"instances": {"audio": B64}}),
    "instance-number": (422, {"instances": [1]}),
    "instance-huge-number": (422, {"instances": [10**400]}),
    "instance-null": (422, {"instances": [None]}),
    "instance-nested": (422, {"instances": [[[[B64]]]]}),
    "instance-empty": (422, {"instances": [{}]}),
    "instance-blank": (422, {"instances": [""]}),
    "unknown-field": (422, {"instances": [{"audio": B64, "path": "/etc/passwd"}]}),
    "a-path": (422, {"instances": ["/etc/passwd"]}),
    "a-path-that-is-base64": (415, {"instances": ["/etc/passwd/"]}),
    "a-path-up": (422, {"instances": [{"audio": "../../etc/passwd"}]}),
    "a-file-address": (422, {"instances": [{"audio": "file:///etc/passwd"}]}),
    "an-address": (422, {"instances": [{"audio": "http://127.0.0.1:1/a.wav"}]}),
    "a-data-address-without-base64": (422, {"instances": [{"audio": "data:audio/wav,abc"}]}),
    "a-data-address-cut": (422, {"instances": [{"audio": "data:audio/wav;base64"}]}),
    "base64-cut": (422, {"instances": [{"audio": B64[:-3]}]}),
    "base64-of-nothing": (422, {"instances": [{"audio": "===="}]}),
    "text-number": (422, {"instances": [{"audio": B64, "text": 5}]}),
    "text-too-long": (413, {"instances": [{"audio": B64, "text": "a" * 10_001}]}),
    "text-lone-surrogate": (422, {"instances": [{"audio": B64, "text": "\ud800"}]}),
    "too-many": (413, {"instances": [""] * 65}),
    "gender-list": (422, {"instances": [{"audio": B64, "gender": ["F"]}]}),
    "null-bytes-in-text": (200, {"instances": [{"audio": B64, "text": "a\x00b"}]}),
    "unknown-gender": (200, {"instances": [{"audio": B64, "gender": "'; DROP TABLE--"}]}),
    "unknown-top-field": (200, {"instances": [{"audio": B64}], "signature_name": "x"}),
}

V2_BODIES: dict[str, tuple[int, Any]] = {
    "no-inputs": (422, {}),
    "inputs-empty": (422, {"inputs": []}),
    "input-unknown": (422, {"inputs": [tensor(name="../../etc/passwd")]}),
    "input-twice": (422, {"inputs": [tensor(), tensor()]}),
    "datatype-fp32": (422, {"inputs": [tensor(datatype="FP32", data=["1"])]}),
    "data-numbers": (422, {"inputs": [tensor(data=[1.5])]}),
    "data-missing": (422, {"inputs": [tensor(data=None)]}),
    "shape-missing": (422, {"inputs": [tensor(shape=None)]}),
    "shape-empty": (422, {"inputs": [tensor(shape=[])]}),
    "shape-zero": (422, {"inputs": [tensor(shape=[0], data=[])]}),
    "shape-negative": (422, {"inputs": [tensor(shape=[-1])]}),
    "shape-too-large": (413, {"inputs": [tensor(shape=[10**9])]}),
    "shape-beyond-64-bits": (413, {"inputs": [tensor(shape=[10**30])]}),
    "shape-fraction": (422, {"inputs": [tensor(shape=[1.5])]}),
    "shape-of-three": (422, {"inputs": [tensor(shape=[1, 1, 1])]}),
    "shape-wide": (422, {"inputs": [tensor(shape=[1, 2], data=[B64, B64])]}),
    "shape-and-data-differ": (422, {"inputs": [tensor(shape=[2])]}),
    "columns-differ": (422, {"inputs": [tensor(), tensor(name="text", shape=[2], data=["a", "b"])]}),
    "output-unknown": (422, {"inputs": [tensor()], "outputs": [{"name": "weights"}]}),
    "output-twice": (422, {"inputs": [tensor()], "outputs": [{"name": "sure"}, {"name": "sure"}]}),
    "all-empty": (422, {"inputs": [tensor(data=[""])]}),
    "binary-size-without-header": (422, {"inputs": [tensor(data=None, parameters={"binary_data_size": 8})]}),
    "binary-size-and-data": (422, {"inputs": [tensor(parameters={"binary_data_size": 0})]}),
    "binary-size-negative": (422, {"inputs": [tensor(data=None, parameters={"binary_data_size": -1})]}),
    "binary-size-text": (422, {"inputs": [tensor(data=None, parameters={"binary_data_size": "8"})]}),
    "binary-size-true": (422, {"inputs": [tensor(data=None, parameters={"binary_data_size": True})]}),
    "parameters-list": (422, {"inputs": [tensor(parameters=[1])]}),
    "id-number": (422, {"id": 5, "inputs": [tensor()]}),
    "unknown-parameters": (200, {"inputs": [tensor(parameters={"content_type": "x"})], "parameters": {"a": {"b": 1}}}),
}


def alive(server: Running) -> None:
    """Check that the server still answers."""
    assert server.send("GET", "/v2/health/ready").status == 200


@pytest.mark.parametrize(("path", "name"), [*((V1, name) for name in V1_BODIES), *((V2, name) for name in V2_BODIES)])
def test_json_that_does_not_fit(server: Running, path: str, name: str) -> None:
    status, body = (V1_BODIES if path == V1 else V2_BODIES)[name]
    reply = server.post_json(path, body)
    assert reply.status == status, reply.body
    if status != 200:
        assert set(reply.json) == {"error", "reason"}
        assert len(reply.json["error"]) < 1000
        assert "root:" not in reply.json["error"]
    alive(server)


def head(size: object, **changes: Any) -> bytes:  # noqa: ANN401
    return json.dumps({"inputs": [tensor(data=None, parameters={"binary_data_size": size}, **changes)]}).encode()


ELEMENT = struct.pack("<I", len(WAV)) + WAV
BINARY_BODIES: dict[str, tuple[int, bytes, bytes]] = {
    "right": (200, head(len(ELEMENT)), ELEMENT),
    "size-too-small": (422, head(len(ELEMENT) - 1), ELEMENT),
    "size-too-large": (422, head(len(ELEMENT) + 1), ELEMENT),
    "size-beyond-64-bits": (422, head(2**70), ELEMENT),
    "more-after-it": (422, head(len(ELEMENT)), ELEMENT + b"x"),
    "element-claims-4-gib": (422, head(8), struct.pack("<I", 0xFFFFFFFF) + b"abcd"),
    "length-cut": (422, head(3), b"abc"),
    "no-element": (422, head(0), b""),
    "two-elements-for-one": (422, head(2 * len(ELEMENT)), ELEMENT * 2),
    "a-million-empty-elements": (422, head(4_000_000), bytes(4_000_000)),
    "one-element-for-two": (422, head(len(ELEMENT), shape=[2]), ELEMENT),
    "path-as-bytes": (415, head(15), struct.pack("<I", 11) + b"/etc/passwd"),
    "text-no-utf-8": (422, head(6, name="text"), struct.pack("<I", 2) + b"\xff\xfe"),
}


@pytest.mark.parametrize("name", BINARY_BODIES)
def test_binary_tensors_that_do_not_fit(server: Running, name: str) -> None:
    status, text, tensors = BINARY_BODIES[name]
    reply = server.send("POST", V2, text + tensors, {**BINARY, HEADER: str(len(text))})
    assert reply.status == status, reply.body
    alive(server)


@pytest.mark.parametrize("value", ["", "-1", "abc", "1.5", "99999999", "9" * 400, "0", "0x10", "٣", " 5 5 "])
def test_an_invalid_header_length_is_refused(server: Running, value: str) -> None:
    text = head(len(ELEMENT))
    reply = server.send("POST", V2, text + ELEMENT, {**BINARY, HEADER: value.encode().decode("latin-1")})
    assert reply.status == 422, reply.body
    alive(server)


BODIES: dict[str, tuple[int, str, bytes, dict[str, str]]] = {
    "no-body": (422, V1, b"", JSON),
    "no-json": (422, V1, b"{", JSON),
    "no-utf-8": (422, V1, b'{"instances": ["\xff"]}', JSON),
    "nan": (422, V1, b'{"instances": [NaN]}', JSON),
    "deep-lists": (422, V1, b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON),
    "deep-objects": (422, V2, b'{"inputs": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", JSON),
    "deep-parameters": (422, V2, b'{"parameters": {"a": ' + b"[" * 5000 + b"]" * 5000 + b'}, "inputs": []}', JSON),
    "a-million-digits": (422, V1, b'{"instances": [' + b"9" * 1_000_000 + b"]}", JSON),
    "a-huge-exponent": (422, V1, b'{"instances": [1e999999]}', JSON),
    "duplicate-keys": (200, V1, b'{"instances": [], "instances": ["' + B64.encode() + b'"]}', JSON),
    "no-content-type": (415, V1, b"{}", {}),
    "wrong-content-type": (415, V1, b"{}", {"Content-Type": "text/plain"}),
    "xml": (415, V2, b"<a/>", {"Content-Type": "application/xml"}),
    "form-to-json": (415, V1, form(("file", "a.wav", WAV)), FORM),
    "gzip": (415, V1, b"\x1f\x8b", {**JSON, "Content-Encoding": "gzip"}),
    "json-to-form": (415, "/predict", b"{}", JSON),
    "form-without-boundary": (415, "/predict", b"x", {"Content-Type": "multipart/form-data"}),
    "form-with-long-boundary": (422, "/predict", b"x", {"Content-Type": f"multipart/form-data; boundary={'a' * 5000}"}),
    "form-empty": (422, "/predict", b"", FORM),
    "form-garbage": (422, "/predict", b"garbage", FORM),
    "form-cut": (422, "/predict", form(("file", "a.wav", WAV))[:200], FORM),
    "form-without-name": (
        422,
        "/predict",
        f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(),
        FORM,
    ),
    "form-without-fields": (422, "/predict", form(), FORM),
    "form-other-field": (422, "/predict", form(("upload", "a.wav", WAV)), FORM),
    "form-other-field-and-text": (422, "/predict", form(("audio", "a.wav", WAV), ("text", None, b"hello")), FORM),
    "form-file-is-text": (422, "/predict", form(("file", None, b"/etc/passwd")), FORM),
    "form-text-is-file": (422, "/predict", form(("text", "a.txt", b"hello")), FORM),
    "form-two-texts": (422, "/predict", form(("text", None, b"a"), ("text", None, b"b")), FORM),
    "form-too-many-files": (413, "/predict", form(*[("file", "a.wav", WAV)] * 65), FORM),
    "form-too-many-fields": (422, "/predict", form(*[("x", None, b"y")] * 100), FORM),
    "form-unknown-charset": (
        415,
        "/predict",
        form(("file", "a", b"")),
        {"Content-Type": FORM["Content-Type"] + "; charset=x"},
    ),
    "listen-two-files": (422, "/listen", form(*[("file", "a.wav", WAV)] * 2), FORM),
    "listen-text": (422, "/listen", form(("text", None, b"hello")), FORM),
    "no-such-model": (404, "/v1/models/other:predict", b"{}", JSON),
    "no-such-version": (404, "/v2/models/tiny/versions/0/infer", b"{}", JSON),
    "path-up": (404, "/v2/models/..%2f..%2fetc/infer", b"{}", JSON),
    "page-path-up": (404, "/page/..%2f..%2f..%2fpyproject.toml", b"", {}),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_do_not_fit(server: Running, name: str) -> None:
    status, path, body, headers = BODIES[name]
    reply = server.send("GET" if path.startswith("/page") else "POST", path, body, headers)
    assert reply.status == status, reply.body
    alive(server)


NAMES = [
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\boot.ini",
    "a\x00b.wav",
    "con",
    "a" * 5000,
    "ünï.wav",
    ".",
    "%2e%2e%2f",
]


@pytest.mark.parametrize("filename", NAMES)
def test_names_of_files_are_only_repeated(server: Running, filename: str) -> None:
    reply = server.upload("/predict", ("file", filename, WAV))
    assert reply.status in (200, 422)
    if reply.status == 200:
        (answer,) = reply.json["predictions"]
        assert "/" not in answer["clip"]
        assert "\\" not in answer["clip"]
        assert len(answer["clip"]) <= 120
    alive(server)


def test_files_of_one_name_are_all_answered(server: Running) -> None:
    answers = server.upload("/predict", ("file", "a.wav", WAV), ("file", "a.wav", WAV)).json["predictions"]
    assert [answer["clip"] for answer in answers] == ["a.wav", "a.wav"]
    assert answers[0] == answers[1]


RAW = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "no-http": b"hello\r\n\r\n",
    "http-0.9": b"GET /\r\n\r\n",
    "two-lengths": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "negative-length": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "huge-head": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2_000_000,
    "null-in-head": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "bad-chunk": b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "length-and-chunks": b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\nabc",
    "no-host": b"GET /v2 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_not_a_request(server: Running, name: str) -> None:
    received = server.raw(RAW[name])
    assert received == b"" or received.split(b" ")[1].startswith(b"4"), received[:200]
    alive(server)


def test_dropped_connections_leave_nothing_behind(server: Running) -> None:
    whole = form(("file", "a.wav", WAV))
    start = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: "
    for cut in (0, 10, len(whole) // 2, len(whole)) * 5:
        server.raw(f"{start}{len(whole)}\r\n\r\n".encode() + whole[:cut], then_close=True)
    deadline = time.monotonic() + 30
    while server.service.state.open_requests and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.service.state.open_requests == 0
    assert server.upload("/predict", ("file", "a.wav", WAV)).status == 200


def test_requests_behind_each_other_on_one_connection_are_all_answered(server: Running) -> None:
    one = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert server.raw(one * 9 + last).count(b"HTTP/1.1 200") == 10


def test_slow_but_patient_clients_are_answered(server: Running) -> None:
    whole = form(("file", "a.wav", WAV))
    start = f"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {FORM['Content-Type']}\r\n"
    message = f"{start}Content-Length: {len(whole)}\r\n\r\n".encode() + whole
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for at in range(0, len(message), 2000):
            connection.sendall(message[at : at + 2000])
            time.sleep(0.01)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert b" 200 " in received[:20]
