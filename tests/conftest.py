"""Small real things that several rooms test with: a generated release, miniature encoders, parameters, an S3 server."""

import signal
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from merflow.contracts.params import Params, read_params
from merflow.corpus.synthetic.mosei_pickles import synthesize_pickles
from merflow.corpus.synthetic.mosei_release import synthesize_mosei
from merflow.corpus.synthetic.release import synthesize
from merflow.features.encoders.huggingface.miniature import build_miniatures
from tests.seaweed import BUCKET, OWNER, Seaweed, missing

# A shell starts jobs in the background with Ctrl-C ignored, and the programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize(tmp_path_factory.mktemp("release") / "tiny", size="tiny")


@pytest.fixture(scope="session")
def mosei_pickles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with small pickles in the format of CMU-MOSEI's, aligned and unaligned."""
    return synthesize_pickles(tmp_path_factory.mktemp("mosei") / "tiny", size="tiny").parent


@pytest.fixture(scope="session")
def tiny_mosei(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize_mosei(tmp_path_factory.mktemp("mosei") / "tiny", size="tiny")


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of miniature encoders."""
    folder = tmp_path_factory.mktemp("encoders")
    assert len(build_miniatures(folder)) == 6
    return folder


@pytest.fixture(scope="session")
def params() -> Params:
    """Return the shipped parameters with few epochs and resamples."""
    return read_params(
        Path(str(files("merflow") / "params.yaml")),
        overrides=("training.max_epochs=3", "evaluation.bootstrap_samples=200", "splits.protocol=session5-only"),
    )


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Run a real S3 server over HTTP on this machine with a bucket ``corpora``; yield its address."""
    pytest.importorskip("moto")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="corpora")
    yield address
    server.stop()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real S3 server, SeaweedFS, with a bucket; yield its address. It knows the users of tests/seaweed.py."""
    if missing():
        pytest.skip(missing())
    import boto3

    server = Seaweed(tmp_path_factory.mktemp("seaweed"))
    server.start()
    try:
        access, secret = OWNER
        boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        ).create_bucket(Bucket=BUCKET)
        yield server.url
    finally:
        server.kill()
