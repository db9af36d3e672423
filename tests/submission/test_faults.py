"""Faults between client and server, and refusals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from merflow.errors import SubmissionError
from merflow.submission.profiles import ClusterProfile
from merflow.submission.runs import list_runs, read_run
from merflow.submission.server import Server
from merflow.submission.watch import watch
from tests.cli.command import merflow, refused
from tests.programs import free_ports
from tests.submission.kfp_server import Fault, KfpServer
from tests.submission.started_runs import VARIANT, started, submitted

CREATE = "POST /apis/v2beta1/runs$"


def server(kfp: KfpServer, pauses: list[float], **settings: Any) -> Server:  # noqa: ANN401
    return Server(ClusterProfile(host=kfp.url, namespace="speech"), pause=pauses.append, **settings)


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503, 504])
def test_reading_is_repeated_after_a_momentary_fault(kfp: KfpServer, status: int) -> None:
    kfp.faults.append(Fault(status, on="GET /apis/v2beta1/runs", times=3))
    pauses: list[float] = []
    assert list_runs(server(kfp, pauses), limit=5) == []
    assert pauses == [0.5, 1.0, 2.0]


def test_the_server_says_how_long_to_wait(kfp: KfpServer) -> None:
    kfp.faults.append(Fault(429, on="GET /apis/v2beta1/runs", headers={"Retry-After": "7"}))
    pauses: list[float] = []
    told: list[str] = []
    assert list_runs(server(kfp, pauses, notice=told.append), limit=5) == []
    assert pauses == [7.0]
    assert told == ["status 429: upstream; trying again in 7 s"]


def test_a_server_that_stays_away_ends_the_patience_with_a_remedy(kfp: KfpServer) -> None:
    kfp.faults.append(Fault(503, on="GET", times=1000))
    pauses: list[float] = []
    with pytest.raises(SubmissionError, match="status 503: upstream; check the address and the network, and try again"):
        list_runs(server(kfp, pauses, patience_s=3.0), limit=5)
    assert pauses == [0.5, 1.0, 2.0]


def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    pauses: list[float] = []
    away = Server(ClusterProfile(host=f"http://127.0.0.1:{port}"), patience_s=1.0, pause=pauses.append)
    with pytest.raises(
        SubmissionError, match=r"cannot ask for its health at http://127.0.0.1:\d+: no connection \(.*refused"
    ):
        list_runs(away, limit=5)


def test_a_slow_answer_is_waited_for(kfp: KfpServer) -> None:
    kfp.faults.append(Fault(200, on="GET /apis/v2beta1/runs", delay_s=1.0))
    pauses: list[float] = []
    assert list_runs(server(kfp, pauses), limit=5) == []
    assert pauses == []


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("status", [0, 500, 502, 503])
@pytest.mark.parametrize("after", [True, False], ids=["made", "not-made"])
def test_a_run_is_created_once_though_the_answer_is_lost(
    kfp: KfpServer, packages: Path, status: int, after: bool
) -> None:
    kfp.faults.append(Fault(status, on=CREATE, after=after))
    said = merflow("pipeline", "submit", packages / "benchmark.yaml", "--models", VARIANT)
    if status == 500 and not after:
        assert said.code == 2
        assert "cannot create the run" in said.err
        assert kfp.runs == {}
        return
    assert said.code == 0, said
    assert len(kfp.runs) == 1
    assert next(iter(kfp.runs)) in said.out


@pytest.mark.usefixtures("profile")
def test_a_version_and_a_pipeline_are_made_once_though_answers_are_lost(kfp: KfpServer, packages: Path) -> None:
    for request in ("POST /apis/v2beta1/pipelines$", "POST .*upload_version", "POST .*experiments"):
        kfp.faults.append(Fault(0, on=request, after=True))
    submitted(packages / "benchmark.yaml")
    assert (len(kfp.pipelines), len(kfp.versions), len(kfp.experiments), len(kfp.runs)) == (1, 1, 1, 1)


@pytest.mark.usefixtures("profile")
def test_another_process_may_upload_the_same_version_first(kfp: KfpServer, packages: Path) -> None:
    submitted(packages / "benchmark.yaml")
    kfp.faults.append(Fault(200, on="GET .*versions$", body='{"pipeline_versions": []}'))
    assert len(kfp.versions) == 1
    submitted(packages / "benchmark.yaml")
    assert (len(kfp.versions), len(kfp.runs)) == (1, 2)


@pytest.mark.usefixtures("profile")
def test_waiting_survives_everything_that_passes(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages)
    kfp.progress = lambda found, reads: found.update(state="RUNNING" if reads < 4 else "SUCCEEDED")
    kfp.faults += [Fault(status, on="GET /apis/v2beta1/runs/") for status in (0, 503, 429, 500, 0, 504)]
    pauses: list[float] = []
    states = [
        each.run.state
        for each in watch(server(kfp, pauses), run["run_id"], every_s=10, timeout_s=None, pause=pauses.append)
    ]
    assert states == ["RUNNING"] * 4 + ["SUCCEEDED"]
    assert kfp.faults == []
    assert pauses.count(10) == 4


def token_profile(user: Path, kfp: KfpServer, command: str) -> None:
    (user / "clusters.toml").write_text(
        f'[cluster.lab]\nhost = "{kfp.url}"\nnamespace = "speech"\ntoken_command = "{command}"\n'
    )


def test_an_expired_token_is_renewed_once(kfp: KfpServer, user: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    token_profile(user, kfp, f"cat {token}")
    kfp.tokens = {"first"}
    from merflow.submission.profiles import choose

    expiring = Server(choose(None)[1])
    assert list_runs(expiring, limit=5) == []
    kfp.tokens = {"second"}
    token.write_text("second\n")
    before = len(kfp.requests)
    assert list_runs(expiring, limit=5) == []
    assert len(kfp.requests) - before == 2
    kfp.tokens = {"third"}
    before = len(kfp.requests)
    with pytest.raises(SubmissionError, match="the token of token_command is not accepted; check its audience"):
        list_runs(expiring, limit=5)
    assert len(kfp.requests) - before == 2


def test_a_token_file_is_read_every_time(kfp: KfpServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    kfp.tokens = {"first", "second"}
    mounted = Server(ClusterProfile(host=kfp.url, namespace="speech", token_file=str(token)))
    assert list_runs(mounted, limit=5) == []
    token.write_text("second")
    kfp.tokens = {"second"}
    assert list_runs(mounted, limit=5) == []
    token.unlink()
    with pytest.raises(SubmissionError, match=r"cannot read the token file .*; correct token_file"):
        list_runs(mounted, limit=5)


@pytest.mark.usefixtures("profile")
def test_a_server_that_wants_a_token_says_so(kfp: KfpServer) -> None:
    kfp.tokens = {"something"}
    error = refused("pipeline", "list")
    assert "not logged in (401): Request header error: there is no user identity" in error
    assert "KFP asks for a token; set token_command or token_file in the cluster profile" in error


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-program --now", "token_command: no program 'no-such-program'; install it, or correct the command"),
        ("sh -c 'echo no login >&2; exit 3'", "token_command failed with exit code 3: no login; run it yourself:"),
        ("true", "provides nothing instead of one token"),
        ("echo two words", "provides 2 words instead of one token"),
    ],
)
def test_a_token_command_that_fails_is_reported(kfp: KfpServer, user: Path, command: str, said: str) -> None:
    token_profile(user, kfp, command)
    assert said in refused("pipeline", "list")


@pytest.mark.usefixtures("profile")
def test_a_namespace_that_is_not_yours_is_reported(kfp: KfpServer) -> None:
    kfp.forbidden.add("speech")
    error = refused("pipeline", "list")
    assert "not allowed (403): User may not access namespace speech" in error
    assert "ask for the role kubeflow-pipelines-edit in namespace speech" in error


def test_a_server_for_several_users_needs_a_namespace(kfp: KfpServer) -> None:
    assert "serves several users and needs a namespace; pass --namespace NAME" in refused(
        "pipeline", "list", "--host", kfp.url
    )


@pytest.mark.usefixtures("profile")
def test_a_server_for_one_user_gets_none(kfp: KfpServer, packages: Path) -> None:
    kfp.multi_user = False
    submitted(packages / "benchmark.yaml", "--namespace", "kubeflow")
    assert all("namespace" not in each for each in kfp.experiments.values())
    assert merflow("pipeline", "list").code == 0


@pytest.mark.usefixtures("profile")
def test_a_login_page_is_not_an_empty_answer(kfp: KfpServer) -> None:
    page = Fault(200, on="GET", body="<html>Log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    kfp.faults.append(page)
    assert "answers with a web page, not as KFP's API; if that is a login page, set token_command" in refused(
        "pipeline", "list"
    )
    kfp.faults.append(Fault(302, on="GET", headers={"Location": "https://dex.example.org/auth?client=secret"}))
    error = refused("pipeline", "list")
    assert "redirects to https://dex.example.org/auth instead of answering" in error
    assert "secret" not in error
    kfp.faults.append(Fault(200, on="GET", body="ok", headers={"Content-Type": "text/plain"}))
    assert "does not answer as KFP's API does; correct host" in refused("pipeline", "list")


def test_a_certificate_that_is_not_trusted_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        host = f"https://127.0.0.1:{plain.getsockname()[1]}"
        plain.settimeout(20)
        away = Server(ClusterProfile(host=host), patience_s=0.0)

        def answer() -> None:
            connection, _ = plain.accept()
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SubmissionError, match=r"cannot check the certificate of https://127.0.0.1:\d+: .*ca_file"):
            list_runs(away, limit=1)
        thread.join()


@pytest.mark.usefixtures("profile")
def test_ctrl_c_leaves_the_run_and_says_how_to_continue(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages)
    run["state"] = "RUNNING"
    command = [sys.executable, "-m", "merflow", "pipeline", "wait", run["run_id"], "--every", "0.1"]
    waiting = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ), start_new_session=True
    )
    while kfp.reads.get(run["run_id"], 0) < 4:
        assert waiting.poll() is None
        time.sleep(0.05)
    waiting.send_signal(signal.SIGINT)
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (130, "")
    assert f"the run continues; wait for it again: merflow pipeline wait {run['run_id']}" in err
    assert "Traceback" not in err
    assert run["state"] == "RUNNING"


@pytest.mark.usefixtures("profile")
def test_an_answer_that_is_not_kfps_is_reported_with_its_status(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages)
    kfp.faults.append(Fault(400, on="GET .*/runs/", body=json.dumps({"message": "Invalid input error: bad  id"})))
    error = refused("pipeline", "status", run["run_id"])
    assert re.search(r"cannot read run \S+ at \S+: refused \(400\): Invalid input error: bad id; correct what", error)
    with pytest.raises(SubmissionError, match="not found"):
        read_run(Server(ClusterProfile(host=kfp.url)), "nothing")
