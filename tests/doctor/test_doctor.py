"""``merflow doctor``: faults of each service. ``tests/infra/test_live_services.py`` has it examine real ones."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("kfp")
pytest.importorskip("boto3")
pytest.importorskip("mlflow")
pytest.importorskip("psycopg")

from merflow.doctor.bucket import check_bucket
from merflow.doctor.database import check_database
from merflow.doctor.findings import Finding, examine
from merflow.doctor.gpu import check_gpu
from merflow.doctor.image import check_image
from merflow.doctor.mlflow_server import check_mlflow
from merflow.errors import MerflowError, SubmissionError
from merflow.runs.provenance import merflow_version
from merflow.submission.labels import CODE, REVISION, VERSION
from tests.cli.command import merflow, refused
from tests.programs import free_ports
from tests.submission import kfp_server, registry
from tests.submission.kfp_server import Fault, KfpServer
from tests.versioning.conftest import project, run

__all__ = ["project"]  # a fixture


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server.running() as server:
        yield server


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home without settings and credentials; return its config folder."""
    (tmp_path / "home/.config/merflow").mkdir(parents=True)
    for name in [*os.environ]:
        if name.startswith(("AWS_", "MLFLOW_TRACKING_", "PG", "XDG_", "MERFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home/.config/merflow"


def test_a_server_without_conditional_writes_is_warned_of(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with forgetful(s3) as endpoint:
        told = check_bucket("s3://corpora/x", endpoint=endpoint)
    assert told.state == "warning"
    assert "conditional writes (If-None-Match) have no effect" in told.said
    assert check_bucket("s3://corpora", endpoint=s3).state == "ok"


def test_a_service_that_does_not_listen_is_reported() -> None:
    (port,) = free_ports(1)
    told = check_mlflow(f"http://127.0.0.1:{port}")
    assert (told.state, told.remedy) == ("wrong", "check that MLflow runs, and the address")
    os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "a"
    try:
        told = check_bucket("s3://b/x", endpoint=f"http://127.0.0.1:{port}")
    finally:
        del os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    assert (told.state, told.remedy) == ("wrong", "check the network and s3_endpoint in the cluster profile")
    with pytest.raises(MerflowError, match=r"cannot use .*; check tuning\.storage"):
        check_database(f"postgresql://optuna@127.0.0.1:{port}/optuna")
    with pytest.raises(SubmissionError, match="cannot reach registry"):
        check_image(f"127.0.0.1:{port}/merflow/python:1")


def test_kfp_is_checked_with_a_write(kfp: KfpServer) -> None:
    command = ("doctor", "--host", kfp.url, "--namespace", "speech", "--json")
    kfp.version = "2.5.0"
    told = json.loads(merflow(*command).out)["KFP"]
    assert (told["state"], told["remedy"]) == ("warning", "use one of these versions")
    kfp.version = "2.16.1"
    kfp.faults.append(Fault(403, on="DELETE", body='{"message": "no delete"}'))
    told = json.loads(merflow(*command).out)["KFP"]
    assert (told["state"], told["remedy"]) == ("warning", "delete it in KFP's UI")
    kfp.forbidden.add("speech")
    said = merflow(*command)
    told = json.loads(said.out)["KFP"]
    assert (said.code, told["state"]) == (1, "wrong")
    assert told["remedy"] == "ask for the role kubeflow-pipelines-edit in namespace speech"


def test_splits_that_the_remote_lacks_are_wrong(project: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    run(project, "dvc", "remote", "add", "--default", "lab", f"s3://corpora/{project.parent.name}")
    run(project, "dvc", "remote", "modify", "lab", "endpointurl", s3)
    monkeypatch.chdir(project)
    said = merflow("doctor")
    assert said.code == 1
    lines = said.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "DVC remote" in line)
    assert lines[at].startswith("wrong           DVC remote: remote lab lacks ")
    assert lines[at + 1].strip() == "run `merflow data push`"
    assert merflow("data", "push").code == 0
    said = merflow("doctor", "--json")
    assert (said.code, json.loads(said.out)["DVC remote"]["state"]) == (0, "ok")


@pytest.mark.parametrize(
    ("labels", "state", "words"),
    [
        ({}, "warning", "has none of merflow's labels"),
        ({CODE: "0" * 16}, "wrong", "its code differs from the local code"),
        ({REVISION: "f" * 40}, "wrong", "the local code is"),
        ({VERSION: "9.9.9"}, "wrong", "the local merflow is"),
    ],
)
def test_the_labels_of_the_image_are_compared(labels: dict[str, str], state: str, words: str) -> None:
    with registry.running() as images:
        found = check_image(f"{images.host}/merflow/python@{images.put(labels)}")
    assert (found.state, words in found.said) == (state, True), found


def test_an_image_by_tag_is_a_warning() -> None:
    with registry.running() as images:
        images.content["1"] = images.content[images.put({VERSION: merflow_version()})]
        assert check_image(f"{images.host}/merflow/python:1").state == "warning"


def test_a_driver_without_cuda_in_torch_is_wrong(tmp_path: Path) -> None:
    import torch

    if torch.version.cuda or torch.version.hip:
        pytest.skip("torch is a build for GPUs")
    assert check_gpu(driver=tmp_path / "none").state == "not configured"
    version = tmp_path / "version"
    version.write_text("NVRM version\n")
    assert check_gpu(driver=version).remedy == "install torch's build for CUDA"


def test_a_check_that_hangs_or_breaks_does_not_keep_the_others() -> None:
    def broken() -> Finding:
        raise KeyError("inside")

    def refusing() -> Finding:
        raise MerflowError("it is wrong; mend it")

    def hanging() -> Finding:
        time.sleep(60)
        return Finding("ok", "too late")

    fine = Finding("ok", "fine")
    found = examine({"hangs": hanging, "breaks": broken, "refuses": refusing, "fine": lambda: fine}, timeout_s=0.3)
    assert found["hangs"].said == "no answer within 0.3 s"
    assert found["breaks"].remedy == "report this as a bug of merflow"
    assert found["refuses"] == Finding("wrong", "it is wrong", "mend it")
    assert found["fine"] == fine


def test_a_missing_profile_is_the_users_error() -> None:
    assert "there are no cluster profiles" in refused("doctor", "--profile", "lab")


def test_a_missing_database_file_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    assert check_database(f"sqlite:///{path}").state == "not configured"
    assert not path.exists()
    path.touch()
    assert check_database(f"sqlite:///{path}").state == "ok"


@contextmanager
def forgetful(s3: str) -> Iterator[str]:
    """Yield the address of a proxy to an S3 server that drops conditions from requests."""
    target = urlsplit(s3)

    def relay(client: socket.socket) -> None:
        with client, socket.create_connection((str(target.hostname), int(target.port or 80))) as server:
            client.settimeout(5)
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            head, _, body = head.partition(b"\r\n\r\n")
            lines = [
                line for line in head.split(b"\r\n") if not line.lower().startswith((b"if-none-match", b"connection"))
            ]
            length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")), 0)
            if any(line.lower().startswith(b"expect") for line in lines):
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                lines = [line for line in lines if not line.lower().startswith(b"expect")]
            while len(body) < length:
                body += client.recv(65536)
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            while chunk := server.recv(65536):
                client.sendall(chunk)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=relay, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
