"""Checks before a package is submitted: its rules, its image, its code, the commit, and the versions of the data."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.kubernetes_names import image_digest
from merflow.errors import SubmissionError, VersioningError
from merflow.jobs.data_versions import STAGES
from merflow.pipelines.lint.catalogue import lint
from merflow.pipelines.lint.package import Package
from merflow.runs.code_closure import code_digests
from merflow.runs.whole_code import whole_code_digest
from merflow.submission.checkout import Checkout
from merflow.submission.labels import CODE, REVISION, labels_of
from merflow.versioning.project import Project
from merflow.versioning.remote import Remote

TAG, OTHER_CODE, UNPUSHED = "tag", "other-code", "unpushed"
_UNKNOWN = "unknown"  # the revision of an image that was built without one
_OTHER = "the package's code differs from the local code, so no commit is recorded with the run"


@dataclass(frozen=True)
class Checked:
    """The facts about a package that are recorded with its run.

    Attributes:
        image: Image of the steps.
        commit: Commit of the code, with ``-dirty`` if files differ from it; empty if it is not known.
        code: Digest of all code; empty if the package's code differs or it has no digests.
        notes: One sentence per check that was not made.
    """

    image: str
    commit: str
    code: str
    notes: tuple[str, ...]


def check(
    package: Package,
    *,
    path: Path,
    around: Path,
    revision: str | None,
    allowed: Collection[str],
    rules: Collection[str],
) -> Checked:
    """Return the facts about a package, or raise with every reason not to submit it.

    Args:
        package: The package.
        path: Its file.
        around: Folder in whose DVC project the versions of the data are looked up.
        revision: Branch, tag or commit whose code the package must have; None for the local code.
        allowed: Reasons that the user accepts: ``tag``, ``other-code``, ``unpushed``.
        rules: Rules of ``merflow pipeline lint`` that the package may break.

    Raises:
        SubmissionError: There are reasons; the message lists them all.
    """
    problems: list[str] = []
    notes: list[str] = []
    problems += [
        str(finding).removeprefix("error ")
        for finding in lint(package, allowed=(*rules, "image-tag"))
        if finding.severity == "error"
    ]
    image = image_of(package)
    if image_digest(image) is None and TAG not in allowed:
        problems.append(
            f"image {image} has no digest, and its tag may be pushed again during the run; compile with --set "
            "cluster.image=REGISTRY/NAME@sha256:DIGEST, or pass --allow-tag"
        )
    commit, found = _commit(revision)
    problems += found
    code, found, note = _code(package, allowed=allowed)
    problems += found
    notes += note
    found, note = _image(image, commit=commit, allowed=allowed)
    problems += found
    notes += note
    found, note = _data(around, allowed=allowed)
    problems += found
    notes += note
    if problems:
        raise SubmissionError("\n".join([f"{path} is not submitted:", *(f"  {each}" for each in problems)]))
    commit = "" if _OTHER in notes else commit
    return Checked(image=image, commit=commit, code=code, notes=tuple(notes))


def image_of(package: Package) -> str:
    """Return the image of a package's steps.

    Raises:
        SubmissionError: No step has an image.
    """
    images = sorted({str(pod.container.get("image", "")) for pod in package.pods.values()})
    if not images:
        raise SubmissionError("the package has no step that starts a container; compile one of merflow's pipelines")
    return images[0]


def _commit(revision: str | None) -> tuple[str, list[str]]:
    """Return the commit of the code, and any problems with the revision that the user names."""
    checkout = Checkout.of_merflow()
    if revision is None:
        return checkout.described(), []
    commit = checkout.commit(revision)
    if commit is None:
        return "", [
            f"--revision {revision} is not a branch, tag or commit of {checkout.root}; fetch it: git fetch --all --tags"
        ]
    files = checkout.differing(commit)
    if files:
        named = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        return commit, [
            f"the local code is not that of --revision {revision} ({commit[:12]}): {named}; check it out, and compile "
            f"again: git checkout {commit[:12]}"
        ]
    return commit, []


def _code(package: Package, *, allowed: Collection[str]) -> tuple[str, list[str], list[str]]:
    facts = package.facts
    if facts is None or not facts.code:
        return "", [], ["the package has no code digests, so its code is not compared with the local code"]
    here = code_digests()
    differing = sorted(step for step, code in facts.code.items() if here.get(step) != code)
    if differing and OTHER_CODE in allowed:
        return "", [], [_OTHER]
    if differing:
        problem = (
            f"the local code is not the code that the package was compiled from, in {', '.join(differing)}; compile it "
            "again, or pass --allow-other-code"
        )
        return "", [problem], []
    return whole_code_digest(), [], []


def _image(image: str, *, commit: str, allowed: Collection[str]) -> tuple[list[str], list[str]]:
    """Compare the labels of the image with the local code and its commit."""
    try:
        labels = labels_of(image)
    except SubmissionError as error:
        return [], [f"the image's labels are not checked: {error}"]
    if OTHER_CODE in allowed:
        return [], []
    label, code = labels.get(CODE), whole_code_digest()
    if label:
        if label == code:
            return [], []
        return [
            f"image {image} has other code: its label {CODE} is {label}, but that of the local code is "
            f"{code}; build and push the image again, or pass --allow-other-code"
        ], []
    revision = labels.get(REVISION, "")
    if revision in ("", _UNKNOWN) or not commit:
        return [], [f"image {image} has no label for its code ({CODE}) or commit ({REVISION}); its code is not checked"]
    if revision != commit:
        return [
            f"image {image} was built from commit {revision[:18]}, and the local code is {commit[:18]}; build and push "
            "the image again, check that commit out, or pass --allow-other-code"
        ], []
    return [], []


def _data(around: Path, *, allowed: Collection[str]) -> tuple[list[str], list[str]]:
    """Return problems if the DVC remote lacks versions of the manifest or the splits, and notes."""
    project = Project.around(around)
    if project is None or not any(project.files_of(stage)[1] for stage in STAGES):
        return [], [f"{around.resolve()} is not in a DVC project with splits, so the remote is not checked for them"]
    if UNPUSHED in allowed:
        return [], []
    try:
        missing = Remote(project.root).missing(STAGES)
    except VersioningError as error:
        return [f"cannot tell whether the splits are pushed: {error}; or pass --allow-unpushed"], []
    if missing:
        return [
            f"the DVC remote lacks {', '.join(missing)}, so nobody else could get the splits of this run; run "
            "`merflow data push`, or pass --allow-unpushed"
        ], []
    return [], []
