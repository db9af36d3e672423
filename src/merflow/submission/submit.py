"""The upload of a package as a version of its pipeline on KFP, and the start of a run of that version.

A version is named after a digest of its package, so the same package is uploaded only once. In KFP's
UI, the run then shows the pipeline's name, and the versions show commit, code and image.
"""

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from merflow.errors import SubmissionError
from merflow.pipelines.lint.package import Package
from merflow.storage.local import digest
from merflow.submission.arguments import pipeline_name
from merflow.submission.checks import Checked
from merflow.submission.runs import Run, experiment_id, filter_of, list_runs, run_of
from merflow.submission.server import LostAnswerError, MissingError, Server, pages

_MARK = "submission "


@dataclass(frozen=True)
class Version:
    """A version of a pipeline on KFP.

    Attributes:
        pipeline_id: KFP's id of the pipeline.
        id: KFP's id of the version.
        pipeline: The pipeline's name.
        name: The version's name.
        uploaded: True if it is new.
    """

    pipeline_id: str
    id: str
    pipeline: str
    name: str
    uploaded: bool


def version_name(package: Package) -> str:
    """Return the name of a package's version: a digest of its text."""
    return digest(package.text)[:12]


def without_cache(package: Package) -> Package:
    """Return the package with every step set to run even if KFP has cached its results."""
    platform = {"platforms": {"kubernetes": package.platform}} if package.platform else None
    spec = json.loads(json.dumps(package.spec))  # a copy
    graphs = [spec["root"], *spec["components"].values()]
    for graph in graphs:
        for task in graph.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {}
    text = "---\n".join(yaml.safe_dump(document) for document in (spec, platform) if document)
    return Package(text, spec, package.platform)


def upload(server: Server, package: Package, checked: Checked) -> Version:
    """Upload a package as a version of its pipeline, unless KFP has it.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    from kfp_server_api import V2beta1Pipeline

    name, version = pipeline_name(package), version_name(package)
    tags = {"merflow.commit": checked.commit, "merflow.code": checked.code, "merflow.image": checked.image}
    told = {"tags": json.dumps({key: value for key, value in tags.items() if value})}
    scope = {"namespace": server.namespace} if server.namespace else {}
    pipelines, uploads = server.client.pipelines, server.client.pipeline_uploads

    def known() -> Any:  # noqa: ANN401 - kfp has no types
        return server.call(
            f"read pipeline {name}", lambda: pipelines.pipeline_service_get_pipeline_by_name(name, **scope)
        )

    try:
        pipeline_id = str(known().pipeline_id)
    except MissingError:
        wanted = V2beta1Pipeline(name=name, display_name=name, **scope)
        try:
            made = server.call(
                f"create pipeline {name}",
                lambda: pipelines.pipeline_service_create_pipeline(pipeline=wanted),
                repeatable=False,
            )
        except LostAnswerError:
            made = known()
        pipeline_id = str(made.pipeline_id)
    found = _version(server, pipeline_id, version)
    if found is not None:
        return Version(pipeline_id, found, name, version, uploaded=False)
    with _file(package, version) as path:
        try:
            new = server.call(
                f"upload version {version} of pipeline {name}",
                lambda: uploads.upload_pipeline_version(
                    path,
                    name=version,
                    display_name=version,
                    pipelineid=pipeline_id,
                    description=_about(checked),
                    **told,
                ),
                repeatable=False,
            )
            return Version(pipeline_id, str(new.pipeline_version_id), name, version, uploaded=True)
        except SubmissionError:  # the answer was lost, or another process was faster
            found = _version(server, pipeline_id, version)
            if found is None:
                raise
            return Version(pipeline_id, found, name, version, uploaded=True)


def start(
    server: Server,
    version: Version,
    *,
    name: str,
    arguments: Mapping[str, Any],
    experiment: str,
    service_account: str | None,
    checked: Checked,
) -> Run:
    """Create a run, and only one even if the server's answer is lost.

    Args:
        server: The server.
        version: The version to run.
        name: Name of the run in KFP's UI.
        arguments: Parameters of the run.
        experiment: Name of KFP's experiment; it is created if missing.
        service_account: Service account of its pods; None for KFP's default.
        checked: Facts about the package, for the run's description.

    Raises:
        SubmissionError: The server refuses or cannot be reached.
    """
    from kfp_server_api import V2beta1PipelineVersionReference, V2beta1Run, V2beta1RuntimeConfig

    mark = f"{_MARK}{secrets.token_hex(8)}"
    wanted = V2beta1Run(
        experiment_id=experiment_id(server, experiment, create=True),
        display_name=name,
        description=f"{_about(checked)}; {mark}",
        pipeline_version_reference=V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.id
        ),
        runtime_config=V2beta1RuntimeConfig(parameters=dict(arguments)),
        service_account=service_account,
    )
    for last in (False, True):
        try:
            made = server.call(
                "create the run", lambda: server.client.runs.run_service_create_run(run=wanted), repeatable=False
            )
            return run_of(made)
        except SubmissionError as error:
            same = list_runs(server, limit=None, filters={"display_name": ("EQUALS", name)})
            found = next((run for run in same if run.description.endswith(mark)), None)
            if found is not None:
                return found
            if last or not isinstance(error, LostAnswerError):
                raise
    raise AssertionError("the last try returns or raises")


def default_run_name(pipeline: str) -> str:
    """Return the default name of a run: the pipeline and the time."""
    return f"{pipeline.removeprefix('merflow-')} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def _version(server: Server, pipeline_id: str, name: str) -> str | None:
    """Return the id of the pipeline's version with this name; None if it does not exist."""
    asked = filter_of({"display_name": ("EQUALS", name)})

    def page(token: str) -> Any:  # noqa: ANN401 - kfp has no types
        return server.call(
            "list versions of the pipeline",
            lambda: server.client.list_pipeline_versions(pipeline_id, page_token=token, page_size=10, filter=asked),
        )

    found = pages(page, items="pipeline_versions")
    return str(found[0].pipeline_version_id) if found else None


def _about(checked: Checked) -> str:
    parts = [f"image {checked.image}"]
    if checked.commit:
        parts.append(f"commit {checked.commit}")
    if checked.code:
        parts.append(f"code {checked.code}")
    return "; ".join(parts)


@contextmanager
def _file(package: Package, name: str) -> Iterator[str]:
    """Yield the path of a file with the package, for KFP's client to upload."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(package.text, encoding="utf-8")
        yield str(path)
