"""Reasons not to submit a package."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.errors import SubmissionError
from merflow.pipelines.lint.package import Package
from merflow.runs.code_closure import code_digests
from merflow.runs.provenance import git_commit
from merflow.runs.whole_code import whole_code_digest
from merflow.submission.checkout import Checkout
from merflow.submission.checks import check
from merflow.submission.labels import CODE, REVISION, labels_of
from tests.cli.command import merflow, refused
from tests.submission import registry
from tests.submission.conftest import IMAGE
from tests.submission.kfp_server import KfpServer
from tests.submission.registry import USER, Images
from tests.submission.started_runs import VARIANT
from tests.versioning.conftest import _environment, commit, project, run

__all__ = ["_environment", "project"]  # fixtures

pytestmark = pytest.mark.usefixtures("profile")
SUBMIT = ("pipeline", "submit")
MODELS = ("--models", VARIANT)


@pytest.fixture
def images() -> Iterator[Images]:
    with registry.running() as found:
        yield found


def changed(package: Path, old: str, new: str) -> Path:
    text = package.read_text()
    assert old in text
    package.write_text(text.replace(old, new))
    return package


def test_an_image_by_tag_is_refused_unless_it_is_allowed(kfp: KfpServer, packages: Path) -> None:
    package = changed(packages / "benchmark.yaml", IMAGE, "registry.example.org/merflow/python:0.1.0")
    error = refused(*SUBMIT, package, *MODELS)
    assert f"{package} is not submitted:" in error
    assert "has no digest, and its tag may be pushed again" in error
    assert "pass --allow-tag" in error
    assert kfp.requests == []
    assert merflow(*SUBMIT, package, *MODELS, "--allow-tag").code == 0


def test_another_code_than_the_packages_is_refused_unless_it_is_allowed(kfp: KfpServer, packages: Path) -> None:
    package = changed(packages / "benchmark.yaml", code_digests()["extract"], "0" * 16)
    error = refused(*SUBMIT, package, *MODELS)
    assert "the local code is not the code that the package was compiled from, in extract; compile it again" in error
    assert merflow(*SUBMIT, package, *MODELS, "--allow-other-code").code == 0
    (version,) = kfp.versions.values()
    assert version["tags"] == {"merflow.image": IMAGE}


def test_a_package_that_breaks_a_rule_is_refused(kfp: KfpServer, packages: Path) -> None:
    package = changed(packages / "benchmark.yaml", "value: /workspace/huggingface", "value: https://me:hunter2@proxy")
    error = refused(*SUBMIT, package, *MODELS)
    assert "is not submitted:\n" in error
    assert "hunter2" not in error
    assert kfp.requests == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "context-mmt:nope"), "nope"),
        ((*MODELS, "--corpus", "iemocup"), "unknown corpus 'iemocup'; did you mean 'iemocap'?"),
        ((*MODELS, "--corpus", "iemocap"), "corpus iemocap needs --root: its folder as the pods see it"),
        ((*MODELS, "--corpus", "iemocap", "--root", "data"), "--root data is a relative path"),
        ((*MODELS, "--size", "huge"), "unknown size 'huge'"),
        ((*MODELS, "--preset", "mine"), "merflow-benchmark has no parameter preset; leave its option out"),
        ((*MODELS, "--set", "cluster.pvc=none"), "pods are compiled into a package and cannot change in a run"),
        ((*MODELS, "--set", "training.thraeds=2"), "did you mean 'threads'?"),
        ((*MODELS, "--set", "tracking.uri=http://me:hunter2@mlflow"), "has a password"),
        ((*MODELS, "--set", "tracking.uri=auto"), "would be SQLite on a volume"),
        ((*MODELS, "--set", "features.profile=paper"), "step extract would use a GPU, but the package requests none"),
        ((*MODELS, "--transcribe"), "compile the pipeline again with --transcribe"),
        ((*MODELS, "--revision", "no-such-branch"), "--revision no-such-branch is not a branch, tag or commit"),
    ],
)
def test_parameters_that_cannot_work_are_refused_before_anything_is_sent(
    kfp: KfpServer, packages: Path, options: tuple[str, ...], said: str
) -> None:
    error = refused(*SUBMIT, packages / "benchmark.yaml", *options)
    assert said in error
    assert "hunter2" not in error
    assert kfp.requests == []


def test_what_is_not_a_package_is_refused(packages: Path) -> None:
    assert "there is no package nothing.yaml; write it with" in refused(*SUBMIT, "nothing.yaml", *MODELS)
    assert "'benchmrk' is neither a package nor a pipeline; did you mean 'benchmark'?" in refused(
        *SUBMIT, "benchmrk", *MODELS
    )
    (packages / "empty.yaml").write_text("a: 1\n")
    assert "is not a compiled pipeline" in refused(*SUBMIT, packages / "empty.yaml", *MODELS)
    (packages / "submission.json").write_text("{")
    assert "submission.json is not JSON" in refused(*SUBMIT, packages / "benchmark.yaml", *MODELS)


def checked(packages: Path, image: str, *, allowed: tuple[str, ...] = ("tag",)) -> tuple[str, ...]:
    path = changed(packages / "benchmark.yaml", IMAGE, image)
    package = Package.read(path)
    return check(package, path=path, around=packages, revision=None, allowed=allowed, rules=()).notes


@pytest.mark.parametrize("platforms", [(), ("arm64", "amd64")], ids=["one", "several"])
def test_the_images_label_is_compared_with_the_package(
    images: Images, packages: Path, platforms: tuple[str, ...]
) -> None:
    reference = images.put({CODE: whole_code_digest()}, platforms=platforms)
    notes = checked(packages, f"{images.host}/merflow/python@{reference}")
    assert not any("labels of the image" in note for note in notes)


def test_an_image_of_other_code_is_refused(images: Images, packages: Path) -> None:
    reference = f"{images.host}/merflow/python@{images.put({CODE: '0' * 16})}"
    with pytest.raises(SubmissionError, match=r"has other code: its label io.merflow.code-digest is 0{16}"):
        checked(packages, reference)


def test_an_image_of_another_commit_is_refused(images: Images, packages: Path) -> None:
    reference = f"{images.host}/merflow/python@{images.put({REVISION: 'f' * 40})}"
    with pytest.raises(SubmissionError, match=r"was built from commit f{18}, and the local code is"):
        checked(packages, reference)
    assert git_commit()


def test_labels_that_cannot_be_read_are_a_note(images: Images, packages: Path) -> None:
    reference = f"{images.host}/merflow/python@sha256:{'1' * 64}"
    notes = checked(packages, reference)
    assert any("the image's labels are not checked: registry" in note and "(404)" in note for note in notes)


def test_a_registry_is_asked_with_the_login_that_podman_keeps(
    images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.login = True
    reference = f"{images.host}/merflow/python@{images.put({REVISION: 'abc'})}"
    with pytest.raises(SubmissionError, match=f"not allowed \\(401\\); log in: podman login {re.escape(images.host)}"):
        labels_of(reference)
    kept = tmp_path / "auth.json"
    kept.write_text(json.dumps({"auths": {images.host: {"auth": USER}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(kept))
    assert labels_of(reference) == {REVISION: "abc"}


def test_an_image_without_a_registry_is_reported() -> None:
    with pytest.raises(SubmissionError, match="names no registry, and this machine does not have it"):
        labels_of("merflow/python:9.9.9")


def test_a_branch_becomes_a_commit_and_changed_code_is_seen(tmp_path: Path) -> None:
    place = tmp_path / "checkout"
    (place / "src").mkdir(parents=True)
    run(place, "git", "init", "--quiet", "--initial-branch=main")
    run(place, "git", "config", "user.name", "Someone")
    run(place, "git", "config", "user.email", "someone@example.org")
    (place / "src/code.py").write_text("a = 1\n")
    first = commit(place, "First")
    run(place, "git", "branch", "feature")
    (place / "README.md").write_text("words\n")
    second = commit(place, "Second")
    checkout = Checkout(place)
    assert [checkout.commit(name) for name in ("feature", "main", first[:9])] == [first, second, first]
    assert checkout.commit("nothing") is None
    assert checkout.commit("--help") is None
    assert checkout.differing(first) == []
    (place / "src/code.py").write_text("a = 2\n")
    (place / "src/new.py").write_text("b = 3\n")
    assert checkout.differing(first) == ["src/code.py", "src/new.py"]
    assert Checkout(place / "src").commit("main") is None


def test_splits_that_are_not_pushed_are_refused(
    project: Path, s3: str, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    error = refused(*SUBMIT, packages / "benchmark.yaml", *MODELS)
    assert "cannot tell whether the splits are pushed" in error
    assert "has no default remote" in error
    run(project, "dvc", "remote", "add", "--default", "lab", f"s3://corpora/{project.parent.name}")
    run(project, "dvc", "remote", "modify", "lab", "endpointurl", s3)
    error = refused(*SUBMIT, packages / "benchmark.yaml", *MODELS)
    assert "the DVC remote lacks " in error
    assert "folds.md" in error
    assert "run `merflow data push`, or pass --allow-unpushed" in error
    assert merflow(*SUBMIT, packages / "benchmark.yaml", *MODELS, "--allow-unpushed").code == 0
    assert merflow("data", "push").code == 0
    assert merflow(*SUBMIT, packages / "benchmark.yaml", *MODELS).code == 0
