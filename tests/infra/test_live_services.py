"""The services with the manifests' own command lines, as processes: users, artifacts and buckets."""

import base64
import json
import random
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from merflow.doctor.bucket import check_bucket
from merflow.doctor.database import check_database
from merflow.doctor.mlflow_server import check_mlflow
from merflow.errors import TuningError
from merflow.runs.provenance import merflow_version
from merflow.submission.labels import VERSION
from tests.cli.command import merflow
from tests.infra import live
from tests.infra.containers import here, secret
from tests.infra.manifests import ROOT, copy_with_secrets, render
from tests.submission import kfp_server, registry

if TYPE_CHECKING:
    from botocore.client import BaseClient

boto3 = pytest.importorskip("boto3")
pytest.importorskip("mlflow")
pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(bool(live.missing()), reason=live.missing() or "all servers are there")

CLIENT = """
import mlflow, sys
mlflow.set_experiment("live")
with mlflow.start_run() as run:
    mlflow.log_metric("UA", 0.5)
    mlflow.log_text("kept in S3", "note.txt")
print(run.info.run_id, mlflow.artifacts.load_text(run.info.artifact_uri + "/note.txt"), sep="|")
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Services]:
    manifests = render(copy_with_secrets(tmp_path_factory.mktemp("copy")) / "overlays/kind")
    with live.running(manifests, tmp_path_factory.mktemp("pods")) as running:
        yield running


def status(
    url: str, user: str = "", password: str = "", host: str = "", method: str = "", fields: dict[str, str] | None = None
) -> int:
    """Return the status of an answer of MLflow."""
    request = urllib.request.Request(url, method=method or None, data=json.dumps(fields).encode() if fields else None)
    request.add_header("Content-Type", "application/json")
    if host:
        request.add_header("Host", host)
    if user:
        request.add_header("Authorization", f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def experiments(services: live.Services) -> str:
    return f"{services.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"


def test_mlflow_refuses_a_request_without_a_user_or_with_a_wrong_password(services: live.Services) -> None:
    user = secret(services.manifests, "mlflow-user")["MLFLOW_TRACKING_USERNAME"]
    password = secret(services.manifests, "mlflow-user")["MLFLOW_TRACKING_PASSWORD"]
    assert status(experiments(services)) == 401
    assert status(experiments(services), user, password + "0") == 401
    assert status(experiments(services), user, password) == 200


def test_probes_need_no_user(services: live.Services) -> None:
    assert status(f"{services.mlflow}/health", host="10.1.2.3:5000") == 200


def test_it_answers_under_the_names_that_the_cluster_knows_and_no_other(services: live.Services) -> None:
    admin = secret(services.manifests, "mlflow")
    name, password = admin["MLFLOW_AUTH_ADMIN_USERNAME"], admin["MLFLOW_AUTH_ADMIN_PASSWORD"]
    for host in ("mlflow:5000", "mlflow.mlops:5000", "mlflow.mlops.svc.cluster.local:5000"):
        assert status(experiments(services), name, password, host) == 200, host
    assert status(experiments(services), name, password, "elsewhere:5000") == 403


def test_the_pipelines_user_is_not_an_administrator(services: live.Services) -> None:
    user = secret(services.manifests, "mlflow-user")
    wanted = {"username": "intruder", "password": "a-long-enough-password"}
    url = f"{services.mlflow}/api/2.0/mlflow/users/create"
    assert status(url, user["MLFLOW_TRACKING_USERNAME"], user["MLFLOW_TRACKING_PASSWORD"], fields=wanted) == 403


def test_the_job_sets_the_password_of_a_user_that_exists(services: live.Services) -> None:
    services.run(
        "Job", "mlflow-user", MLFLOW_TRACKING_URI=services.mlflow, MLFLOW_TRACKING_PASSWORD="rotated-once-more"
    )
    user = secret(services.manifests, "mlflow-user")["MLFLOW_TRACKING_USERNAME"]
    try:
        assert status(experiments(services), user, "rotated-once-more") == 200
    finally:
        services.run("Job", "mlflow-user", MLFLOW_TRACKING_URI=services.mlflow)


def test_the_administrators_password_can_be_changed_as_the_runbook_says(services: live.Services) -> None:
    admin = secret(services.manifests, "mlflow")
    name, password = admin["MLFLOW_AUTH_ADMIN_USERNAME"], admin["MLFLOW_AUTH_ADMIN_PASSWORD"]
    new = "another-long-password"
    page = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    (path,) = set(re.findall(r"localhost:5000(/api/\S+)", page))
    (data,) = re.findall(r"--request PATCH .*\n +--data '(.+)'", page)
    change, back = (
        {"username": name, "current_password": old, "password": now} for old, now in ((password, new), (new, password))
    )
    assert list(json.loads(data)) == list(change)
    assert status(services.mlflow + path, name, password, fields=change, method="PATCH") == 200
    assert status(experiments(services), name, password) == 401
    assert status(services.mlflow + path, name, new, fields=back, method="PATCH") == 200
    assert status(experiments(services), name, password) == 200


def test_artifacts_go_to_the_bucket_through_the_server(services: live.Services, tmp_path: Path) -> None:
    user = secret(services.manifests, "mlflow-user")
    done = subprocess.run(
        [sys.executable, "-c", CLIENT],
        env={**here(), **user, "MLFLOW_TRACKING_URI": services.mlflow, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=live.PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    run, text = done.stdout.strip().splitlines()[-1].split("|")
    assert text == "kept in S3"
    keys = [item["Key"] for item in client(services, "mlflow").list_objects_v2(Bucket="mlflow")["Contents"]]
    assert [key for key in keys if run in key and key.endswith("note.txt")] != []


LARGE = """
import os, mlflow
from merflow.tracking.connection import Connection
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(5 * 1024**2)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 1024**2)
connection = Connection(os.environ["MLFLOW_TRACKING_URI"])
run = connection.call("create_run", connection.call("create_experiment", "large"))
connection.call("log_artifact", run.info.run_id, "model.bin")
assert os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] == "true"
print(run.info.run_id)
"""


def test_a_large_model_goes_to_the_bucket_in_parts(services: live.Services, tmp_path: Path) -> None:
    user = secret(services.manifests, "mlflow-user")
    content = random.Random(0).randbytes(12 * 1024**2)
    (tmp_path / "model.bin").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", LARGE],
        env={**here(), **user, "MLFLOW_TRACKING_URI": services.mlflow, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=live.PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    run = done.stdout.strip().splitlines()[-1]
    s3 = client(services, "mlflow")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
    (key,) = [key for key in keys if run in key]
    stored = s3.get_object(Bucket="mlflow", Key=key)
    assert stored["Body"].read() == content
    assert stored["ETag"].strip('"').endswith("-3"), "S3's mark of an object of three parts"


def client(services: live.Services, owner: str) -> "BaseClient":
    keys = secret(services.manifests, f"s3-{owner}")
    return boto3.client(
        "s3",
        endpoint_url=services.s3,
        region_name="us-east-1",
        aws_access_key_id=keys[f"{owner.upper()}_ACCESS_KEY"],
        aws_secret_access_key=keys[f"{owner.upper()}_SECRET_KEY"],
    )


def test_each_key_reaches_its_own_bucket_alone(services: live.Services) -> None:
    for owner, bucket, other in (("mlflow", "mlflow", "merflow"), ("runs", "merflow", "mlflow")):
        s3 = client(services, owner)
        s3.put_object(Bucket=bucket, Key="probe", Body=b"1")
        assert s3.get_object(Bucket=bucket, Key="probe")["Body"].read() == b"1"
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.put_object(Bucket=other, Key="probe", Body=b"1")
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.get_object(Bucket=other, Key="probe")
        with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
            s3.list_objects_v2(Bucket=other)


def test_s3_refuses_a_request_without_a_key(services: live.Services) -> None:
    assert status(f"{services.s3}/mlflow") == 403


@pytest.fixture
def as_runs(services: live.Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test the credentials of runs, and a home without settings; return the home."""
    user, key = secret(services.manifests, "mlflow-user"), secret(services.manifests, "s3-runs")
    password = secret(services.manifests, "optuna")["OPTUNA_PASSWORD"]
    keys = {"AWS_ACCESS_KEY_ID": key["RUNS_ACCESS_KEY"], "AWS_SECRET_ACCESS_KEY": key["RUNS_SECRET_KEY"]}
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**user, **keys, **home, "PGPASSWORD": password}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(services: live.Services) -> str:
    return f"postgresql://optuna@127.0.0.1:{services.environment['PGPORT']}/optuna"


def test_doctor_finds_everything_right_and_leaves_nothing_behind(services: live.Services, as_runs: Path) -> None:
    (as_runs / "merflow").mkdir()
    with kfp_server.running() as kfp, registry.running() as images:
        (as_runs / "merflow/clusters.toml").write_text(
            f'[cluster.lab]\nhost = "{kfp.url}"\nnamespace = "merflow"\nmlflow = "{services.mlflow}"\n'
            f's3 = "s3://merflow/lab"\ns3_endpoint = "{services.s3}"\nstudy = "{study(services)}"\n'
        )
        digest = images.put({VERSION: merflow_version()})
        image = f"{images.host}/merflow/python@{digest}"
        said = merflow("doctor", "--image", image, "--json", "--timeout", live.PATIENCE_S)
        assert kfp.experiments == {}
    assert said.code == 0, said
    told = json.loads(said.out)
    states = {name: each["state"] for name, each in told.items()}
    assert states.pop("GPU") in ("ok", "not configured")
    assert states.pop("DVC remote") == "not configured"
    assert states == dict.fromkeys(("KFP", "MLflow", "S3", "database", "image"), "ok"), told
    assert client(services, "runs").list_objects_v2(Bucket="merflow", Prefix="lab/")["KeyCount"] == 0


@pytest.mark.usefixtures("as_runs")
def test_doctor_names_wrong_credentials_and_buckets(services: live.Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_bucket("s3://mlflow/x", endpoint=services.s3).remedy == (
        "allow reading, writing and deleting below this prefix"
    )
    for name in ("MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "hunter2")
    told = check_mlflow(services.mlflow)
    assert (told.state, told.remedy) == ("wrong", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
    told = check_bucket("s3://merflow/x", endpoint=services.s3)
    assert told.remedy == "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    with pytest.raises(TuningError, match=r"password authentication failed.*the password in PGPASSWORD") as caught:
        check_database(study(services))
    assert "hunter2" not in str(caught.value)


def test_no_server_logs_a_secret(services: live.Services) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in services.folder.glob("*.log")}
    assert sorted(logs) == ["mlflow.log", "seaweedfs.log"]
    for name in ("postgres", "optuna", "mlflow", "mlflow-user", "s3-mlflow", "s3-runs"):
        for key, value in secret(services.manifests, name).items():
            if not key.endswith("USERNAME"):
                assert [log for log, text in logs.items() if value in text] == [], key
