"""Check of the image of the steps: it must be readable and contain the local code."""

from merflow.contracts.kubernetes_names import image_digest, image_registry
from merflow.doctor.findings import Finding
from merflow.runs.provenance import git_commit, merflow_version
from merflow.runs.whole_code import whole_code_digest
from merflow.submission.labels import CODE, REVISION, VERSION, labels_of


def check_image(image: str) -> Finding:
    """Compare the labels of the image with the local code.

    Raises:
        SubmissionError: The image cannot be read.
    """
    if image_registry(image) is None:
        return Finding("not configured", f"{image} names no registry; set cluster.image, or pass --image")
    labels = labels_of(image)
    version, commit, code = (labels.get(name, "") for name in (VERSION, REVISION, CODE))
    about = f"{image}: version {version or 'unknown'}, commit {commit[:12] or 'unknown'}"
    if not version and not commit and not code:
        return Finding("warning", f"{image} has none of merflow's labels", "build it from infra/images/Containerfile")
    again = "build and push the image again, or check out its commit"
    if code and code != whole_code_digest():
        return Finding("wrong", f"{about}: its code differs from the local code", again)
    if not code and commit not in ("", "unknown") and commit != git_commit():
        return Finding("wrong", f"{about}: the local code is {git_commit()[:18]}", again)
    if version and version != merflow_version():
        return Finding("wrong", f"{about}: the local merflow is {merflow_version()}", again)
    if image_digest(image) is None:
        return Finding("warning", f"{about}: it is named by a tag, which may be overwritten", "name it by its digest")
    return Finding("ok", about)
