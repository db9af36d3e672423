"""Push to and pull from real DVC remotes, and their errors."""

import shutil
import socket
from pathlib import Path

import pytest

from merflow.errors import VersioningError
from merflow.versioning.remote import Remote
from tests.versioning.conftest import commit, run

DATA = ("index", "split")


def connected(project: Path, s3: str, *, url: str = "s3://corpora/{name}") -> Path:
    run(project, "dvc", "remote", "add", "--default", "lab", url.format(name=project.parent.name))
    run(project, "dvc", "remote", "modify", "lab", "endpointurl", s3)
    commit(project, "A remote")
    return project


def keys(s3: str, folder: str) -> list[str]:
    import boto3

    listed = boto3.client("s3", endpoint_url=s3).list_objects_v2(Bucket="corpora", Prefix=f"{folder}/")
    return [each["Key"] for each in listed.get("Contents", ())]


def refused(remote: Remote, what: str = "push") -> str:
    with pytest.raises(VersioningError) as caught:
        getattr(remote, what)(DATA)
    return str(caught.value)


def test_a_fresh_clone_gets_what_was_pushed_and_nothing_else(project: Path, s3: str, tmp_path: Path) -> None:
    connected(project, s3)
    assert Remote(project).push(DATA) == 2  # the table and its folds are one content
    assert Remote(project).push(DATA) == 0
    assert len(keys(s3, tmp_path.name)) == 2
    run(tmp_path, "git", "clone", "--quiet", str(project), "clone")
    clone = tmp_path / "clone"
    assert Remote(clone).pull(DATA) == 2
    assert [(clone / name).read_text() for name in ("table.txt", "folds.txt")] == ["rows of v2\n"] * 2
    assert not (clone / "model.txt").exists()


def test_an_older_revision_is_pulled_as_it_was(project: Path, s3: str) -> None:
    connected(project, s3)
    setup = run(project, "git", "show", "HEAD:.dvc/config")
    run(project, "git", "checkout", "--quiet", "v1")
    (project / ".dvc/config").write_text(setup)
    run(project, "dvc", "checkout", "--quiet")
    Remote(project).push(DATA)
    shutil.rmtree(project / ".dvc/cache")
    (project / "folds.txt").unlink()
    Remote(project).pull(DATA)
    assert (project / "folds.txt").read_text() == "rows of v1\n"


def test_a_project_without_a_remote_is_told_how_to_add_one(project: Path) -> None:
    assert "has no default remote; add one: dvc remote add --default NAME s3://BUCKET/FOLDER" in refused(
        Remote(project)
    )
    assert "no remote 'lab' in" in refused(Remote(project, name="lab"))


def test_an_unknown_remote_is_reported_with_the_known_ones(project: Path, s3: str) -> None:
    said = refused(Remote(connected(project, s3), name="lap"))
    assert "no remote 'lap'" in said
    assert "known: lab" in said


@pytest.mark.parametrize("what", ["push", "pull"])
def test_a_missing_bucket_is_named_with_its_server(project: Path, s3: str, what: str) -> None:
    connected(project, s3, url="s3://no-such-bucket/x")
    if what == "pull":
        shutil.rmtree(project / ".dvc/cache")
    said = refused(Remote(project), what)
    assert f"remote 'lab' (s3://no-such-bucket/x at {s3})" in said
    assert "create the bucket, or correct the URL: dvc remote modify lab url" in said


def test_missing_credentials_are_reported_with_their_possible_sources(
    project: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(project, s3)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = refused(Remote(project))
    assert "Unable to locate credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or" in said
    assert "dvc remote modify --local lab profile NAME" in said


@pytest.mark.parametrize("what", ["push", "pull"])
def test_an_unreachable_server_is_named(project: Path, what: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        connected(project, address)
        if what == "pull":
            shutil.rmtree(project / ".dvc/cache")
        said = refused(Remote(project), what)
    assert "Could not connect to the endpoint URL" in said
    assert address in said
    assert "check the network and the address: dvc remote modify --local lab endpointurl" in said


def test_what_was_never_pushed_cannot_be_pulled(project: Path, s3: str) -> None:
    connected(project, s3)
    shutil.rmtree(project / ".dvc/cache")
    (project / "folds.txt").unlink()
    said = refused(Remote(project), "pull")
    assert "folds.txt" in said
    assert "the remote lacks them; run `merflow data push` in the checkout that made them" in said


def test_a_file_that_is_missing_here_cannot_be_pushed(project: Path, s3: str) -> None:
    connected(project, s3)
    shutil.rmtree(project / ".dvc/cache")
    said = refused(Remote(project))
    assert "files are missing here: table.txt" in said
    assert "dvc repro" in said


def test_a_folder_without_dvc_is_refused(tmp_path: Path) -> None:
    assert "is not a DVC project" in refused(Remote(tmp_path))
