"""Check of the DVC remote: it must have every version of manifest and splits that ``dvc.lock`` names."""

from pathlib import Path

from merflow.doctor.findings import Finding
from merflow.jobs.data_versions import STAGES
from merflow.versioning.project import Project
from merflow.versioning.remote import Remote


def check_data(around: Path) -> Finding:
    """Compare the outputs in ``dvc.lock`` with the remote.

    Raises:
        VersioningError: There is no remote, or it cannot be reached or refuses.
    """
    project = Project.around(around)
    if project is None:
        return Finding("not configured", f"{around.resolve()} is not in a git checkout with DVC")
    outputs = [path for stage in STAGES for path in project.files_of(stage)[1]]
    if not outputs:
        return Finding("not configured", f"{project.root} has no manifest or splits yet: dvc.lock names none")
    remote = Remote(project.root)
    missing = remote.missing(STAGES)
    if missing:
        return Finding("wrong", f"remote {remote.name} lacks {', '.join(missing)}", "run `merflow data push`")
    return Finding("ok", f"remote {remote.name} has all {len(outputs)} files of manifest and splits")
