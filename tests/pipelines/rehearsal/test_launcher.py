"""The launcher as a process, with moto as its S3."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from merflow.pipelines.rehearsal import launcher

Client = Any  # of botocore, which has no types
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Client:
    made = launcher.connect(endpoint, "key", "canary")
    made.create_bucket(Bucket="runs")
    return made


def start(endpoint: str, inputs: dict[str, Any], program: str) -> "subprocess.CompletedProcess[str]":
    """Run the launcher around a Python program, which gets the executor input as its first argument."""
    environment = dict(zip(launcher.VARIABLES, (endpoint, "key", "canary"), strict=True))
    command = [sys.executable, "-c", program, launcher.PLACEHOLDER]
    return subprocess.run(
        [sys.executable, launcher.__file__, json.dumps(inputs), json.dumps(command)],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def inputs_of(folder: Path, artifacts: dict[str, Any]) -> dict[str, Any]:
    outputs = {
        "parameters": {"count": {"outputFile": str(folder / "deep/count")}},
        "artifacts": {},
        "outputFile": str(folder / "said/output_metadata.json"),
    }
    return {"inputs": {"parameterValues": {}, "artifacts": artifacts}, "outputs": outputs}


def outputs_of(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    found: dict[str, Any] = json.loads(last.removeprefix(launcher.MARK))
    return found


def test_a_parameter_is_handed_on_and_the_last_line_holds_it(endpoint: str, client: Client, tmp_path: Path) -> None:
    assert client
    program = f"print('working'); open({str(tmp_path / 'deep/count')!r}, 'w').write('7')"
    assert outputs_of(start(endpoint, inputs_of(tmp_path, {}), program)) == {
        "parameters": {"count": "7"},
        "artifacts": {},
    }


def test_the_command_does_not_see_the_credentials(endpoint: str, client: Client, tmp_path: Path) -> None:
    assert client
    path = str(tmp_path / "deep/count")
    program = f"import os; open({path!r}, 'w').write(' '.join(sorted(os.environ)))"
    assert "LAUNCHER" not in outputs_of(start(endpoint, inputs_of(tmp_path, {}), program))["parameters"]["count"]


def test_a_failed_command_hands_on_nothing(endpoint: str, client: Client, tmp_path: Path) -> None:
    assert client
    path = str(tmp_path / "deep/count")
    done = start(endpoint, inputs_of(tmp_path, {}), f"open({path!r}, 'w').write('7'); raise SystemExit(3)")
    assert done.returncode == 3
    assert launcher.MARK not in done.stdout


def test_a_command_that_writes_no_parameter_fails(endpoint: str, client: Client, tmp_path: Path) -> None:
    assert client
    done = start(endpoint, inputs_of(tmp_path, {}), "pass")
    assert done.returncode == 1
    assert launcher.MARK not in done.stdout


def test_a_missing_input_artifact_stops_the_step_before_its_command(
    endpoint: str, client: Client, tmp_path: Path
) -> None:
    assert client
    artifact = {"artifacts": [{"uri": "s3://runs/nothing", "metadata": {}}]}
    done = start(endpoint, inputs_of(tmp_path, {"manifest": artifact}), "print('ran')")
    assert done.returncode == 1
    assert "s3://runs/nothing is not in S3" in done.stderr
    assert "ran" not in done.stdout


def test_files_and_folders_are_read_back_as_stored(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "static").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    (folder / "static/style.css").write_text("style")
    launcher.upload(client, folder, "s3://runs/a/docs")
    launcher.upload(client, folder / "index.html", "s3://runs/a/docs-page")
    launcher.download(client, "s3://runs/a/docs", tmp_path / "back")
    launcher.download(client, "s3://runs/a/docs-page", tmp_path / "page.html")
    files = {
        path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*") if path.is_file()
    }
    assert files == {"index.html", "static/style.css"}
    assert (tmp_path / "page.html").read_text() == "page"
