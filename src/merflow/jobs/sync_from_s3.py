"""Uploads to MLflow from a workspace in S3: what MLflow lacks is fetched into a temporary folder first."""

from pathlib import Path
from tempfile import TemporaryDirectory

from merflow.errors import StorageError, TrackingError
from merflow.jobs.sync import Uploaded, lacking, sync
from merflow.runs.fold_folder import MODEL, RECORD
from merflow.runs.remembered import read_remembered, remembered_below, run_file
from merflow.runs.remote.workspace import RemoteWorkspace
from merflow.runs.workspace import Workspace
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect


def sync_from_s3(address: str, *, uri: str | None) -> list[Uploaded]:
    """Upload what MLflow lacks of every benchmark in a workspace in S3.

    Only models that MLflow lacks are downloaded. The credentials and the endpoint are those of the environment.

    Args:
        address: ``cluster.workspace``: ``s3://BUCKET/PREFIX``.
        uri: The server or database to upload to; None for each benchmark's own.

    Raises:
        StorageError: The address is wrong or remembers no benchmark, or S3 cannot be reached or refuses.
        TrackingError: ``uri`` is ``auto``, or see :func:`merflow.jobs.sync.sync`.
    """
    if uri == "auto":
        raise TrackingError(f"{address} is not a folder that could hold MLflow's database; name a server with --uri")
    with TemporaryDirectory(prefix="merflow-sync-") as scratch:
        root = Path(scratch).resolve()
        remote = RemoteWorkspace(root, S3Address.parse(address), client=connect())
        if not remote.fetch_below(Workspace(root).tracked):
            raise StorageError(
                f"{address} remembers no benchmark (there is no {Workspace(root).tracked.name}/ in it); pass the "
                "cluster.workspace of a pipeline that ran with tracking.uri other than none"
            )
        for folder in remembered_below(root):
            folds = read_remembered(folder).folds
            for fold in folds:
                remote.fetch_below(fold, wanted=lambda path: path == RECORD or not path.startswith(f"{MODEL}/"))
            trained = [fold for fold in folds if (fold / RECORD).is_file()]
            for fold in lacking(run_file(folder), trained, uri=uri):
                remote.fetch_below(fold)
        return sync(root, uri=uri)
