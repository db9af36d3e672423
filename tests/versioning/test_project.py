"""Revisions of files in a real checkout with git and DVC."""

import hashlib
from pathlib import Path

from merflow.versioning.project import Project
from tests.versioning.conftest import commit, run


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def opened(place: Path) -> Project:
    found = Project.around(place)
    assert found is not None
    return found


def test_a_project_is_found_from_any_folder_below_it(project: Path) -> None:
    (project / "deep/er").mkdir(parents=True)
    assert opened(project / "deep/er").root == project.resolve()


def test_outside_of_a_project_and_without_git_none_is_found(tmp_path: Path) -> None:
    assert Project.around(tmp_path) is None
    (tmp_path / ".dvc").mkdir()
    assert Project.around(tmp_path) is None


def test_a_file_is_found_in_the_revisions_that_hold_it(project: Path) -> None:
    old, new = (opened(project).revisions(md5(f"rows of {tag}\n")) for tag in ("v1", "v2"))
    assert [each.subject for each in old.commits] == ["The table of v1"]
    assert (old.tags, old.here) == (("v1",), False)
    assert [each.subject for each in new.commits] == ["The table of v2"]
    assert (new.tags, new.here) == (("v2",), True)
    assert old.commits[0].id == run(project, "git", "rev-parse", "v1").strip()


def test_revisions_of_other_branches_count_and_stashes_do_not(project: Path) -> None:
    run(project, "git", "checkout", "--quiet", "-b", "side")
    (project / "source.txt").write_text("rows of side\n")
    run(project, "dvc", "repro", "--quiet")
    commit(project, "The table of a branch")
    run(project, "git", "checkout", "--quiet", "v2")
    assert [each.subject for each in opened(project).revisions(md5("rows of side\n")).commits] == [
        "The table of a branch"
    ]
    (project / "source.txt").write_text("rows of nobody\n")
    run(project, "dvc", "repro", "--quiet")
    here = opened(project).revisions(md5("rows of nobody\n"))
    assert (here.commits, here.tags, here.here) == ((), (), True)
    run(project, "git", "stash")
    gone = opened(project).revisions(md5("rows of nobody\n"))
    assert (gone.commits, gone.tags, gone.here) == ((), (), False)


def test_the_versions_of_a_file_come_latest_first_and_from_the_cache(project: Path) -> None:
    found = opened(project)
    versions = found.versions("folds.txt")
    assert versions == [md5("rows of v2\n"), md5("rows of v1\n")]
    contents = [place.read_text() for version in versions if (place := found.cached(version))]
    assert contents == ["rows of v2\n", "rows of v1\n"]
    assert found.cached("0" * 32) is None
    assert found.versions("nothing.txt") == []


def test_a_stage_names_the_files_that_it_reads_and_writes(project: Path) -> None:
    assert opened(project).files_of("split") == (["table.txt"], ["folds.md", "folds.txt"])
    assert opened(project).files_of("nothing") == ([], [])


def test_commits_are_reported_with_their_tags(project: Path) -> None:
    found = opened(project)
    told = found.commit("v1")
    assert told is not None
    assert (told.subject, told.tags) == ("The table of v1", ("v1",))
    assert found.commit("0" * 40) is None
