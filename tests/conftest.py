"""Small real things that several rooms test with: a release, encoders, parameters, a benchmark, an S3 server."""

import inspect
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from traceback import walk_stack
from typing import NamedTuple

import pytest

from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params
from merflow.corpus.manifest import read_manifest
from merflow.corpus.synthetic.mosei_pickles import synthesize_pickles
from merflow.corpus.synthetic.mosei_release import synthesize_mosei
from merflow.corpus.synthetic.release import synthesize
from merflow.corpus.synthetic.table_release import synthesize_table
from merflow.features.encoders.huggingface.miniature import build_miniatures
from merflow.runs.fold_folder import folds_below, read_predictions
from tests.rated_clips import RatedFold, cut
from tests.seaweed import BUCKET, OWNER, Seaweed, missing

# A shell starts jobs in the background with Ctrl-C ignored, and the programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def short_stack(context: int = 1) -> list[inspect.FrameInfo]:  # noqa: ARG001 - the signature of inspect.stack
    """Return the stack of the caller as ``inspect.stack`` does, but without source lines."""
    return [
        inspect.FrameInfo(frame, frame.f_code.co_filename, line, frame.f_code.co_name, None, None)
        for frame, line in walk_stack(sys._getframe(1))
    ]


# KFP asks for the whole stack at every setting of a task. Under pytest, looking for the source of frames that have none
# takes four fifths of a compilation.
inspect.stack = short_stack


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
def tiny_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the CSV file of a generated table of recordings."""
    return synthesize_table(tmp_path_factory.mktemp("table") / "tiny", size="tiny")


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of miniature encoders."""
    folder = tmp_path_factory.mktemp("encoders")
    assert len(build_miniatures(folder)) == 6
    return folder


@pytest.fixture(scope="session")
def params() -> Params:
    """Return the shipped parameters with few epochs and resamples."""
    return shipped_params(
        overrides=("training.max_epochs=3", "evaluation.bootstrap_samples=200", "splits.protocol=session5-only"),
    )


@pytest.fixture(scope="session")
def two_folds(params: Params) -> Params:
    """Return parameters of two folds, with a third of the training dialogues as development data."""
    drawn = {"protocol": "k-fold", "folds": 2, "development": "random", "random_share": 0.34}
    training = {"device": "cpu", "max_epochs": 4}
    return params.model_copy(
        update={
            "splits": params.splits.model_copy(update=drawn),
            "training": params.training.model_copy(update=training),
            "tracking": params.tracking.model_copy(update={"system_metrics_every_s": 0.0}),
        }
    )


@pytest.fixture(scope="session")
def benchmark(tiny_release: Path, two_folds: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of one variant, tracked in SQLite, without a champion; copy it before changing it."""
    from tests.promotion.packaging.benchmarks import VARIANT, finish_benchmark

    out = tmp_path_factory.mktemp("benchmark")
    return finish_benchmark(tiny_release, out, variants=[VARIANT], params=two_folds, tracked=True)


@pytest.fixture(scope="session")
def ensemble(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ensemble of the benchmark's fold models; copy it before changing it."""
    from tests.promotion.packaging.benchmarks import packaged

    return packaged(benchmark, tmp_path_factory.mktemp("packages") / "ensemble")


@pytest.fixture(scope="session")
def rated_benchmark(tiny_mosei: Path, two_folds: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished benchmark of sentiment, tracked in SQLite; copy it before changing it."""
    from tests.promotion.packaging.benchmarks import VARIANT, finish_benchmark

    out = tmp_path_factory.mktemp("rated")
    return finish_benchmark(
        tiny_mosei, out, variants=[VARIANT], params=two_folds, tracked=True, corpus="synthetic-mosei"
    )


@pytest.fixture(scope="session")
def rated_ensemble(rated_benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ensemble of the fold models of sentiment; copy it before changing it."""
    from tests.promotion.packaging.benchmarks import packaged

    return packaged(rated_benchmark, tmp_path_factory.mktemp("packages") / "rated")


@pytest.fixture(scope="session")
def rated_fold(rated_benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> RatedFold:
    """Return the first fold of the benchmark of sentiment, with the clips that it was tested on as files."""
    manifest, fold = read_manifest(rated_benchmark / "manifest.parquet"), min(folds_below(rated_benchmark / "folds"))
    tested = read_predictions(fold)
    dialogues = manifest.rows.loc[manifest.rows["utterance_id"].isin(set(tested["utterance_id"])), "dialogue_id"]
    return RatedFold(fold, tested, cut(manifest, set(dialogues), tmp_path_factory.mktemp("rated-clips")))


class Registered(NamedTuple):
    """A registered model's database, and the run that it was logged on."""

    uri: str
    run_id: str


@pytest.fixture(scope="session")
def registered(ensemble: Path, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    """Register the ensemble as version 1 of ``emotions``, its champion, in a database of its own."""
    from merflow.contracts.model_package import read_package
    from merflow.promotion.packaging.mlflow_model import log_version_model
    from merflow.promotion.registry.registry import register_version
    from merflow.tracking.connection import Connection

    folder = tmp_path_factory.mktemp("registered")
    connection = Connection(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = connection.call("create_experiment", "emotions", artifact_location=str(folder / "artifacts"))
    run_id = connection.call("create_run", experiment).info.run_id
    model = log_version_model(connection, ensemble, variant_run_id=run_id)
    register_version(
        connection,
        "emotions",
        model_uri=model.model_uri,
        run_id=run_id,
        package=read_package(ensemble),
        description="An ensemble",
        who="anna",
    )
    connection.call("set_registered_model_alias", "emotions", "champion", "1")
    return Registered(connection.uri, run_id)


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
