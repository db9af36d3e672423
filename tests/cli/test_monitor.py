"""Exit codes and output of ``merflow monitor``."""

import json
from pathlib import Path

import pytest

from merflow.opening.monitored_model import monitored_model
from tests.cli.command import merflow, refused
from tests.monitoring.made import World, write_log, write_made_package

SHIFTED = World(louder_db=6)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monitored") / "package"
    write_made_package(folder, World())
    return folder


def log_of(world: World, package: Path, path: Path, *, clips: int = 300) -> Path:
    named = {"model": "made:up", "version": monitored_model(str(package)).version}
    return write_log(path, [record.model_copy(update=named) for record in world.traffic(clips, seed=3)[0]])


def test_no_drift_exits_with_0(package: Path, tmp_path: Path) -> None:
    log = log_of(World(), package, tmp_path / "log.jsonl")
    said = merflow("monitor", log, "--model", package, "--out", tmp_path / "out")
    assert said.code == 0
    assert "no drift" in said.out
    assert f"Page: {tmp_path / 'out' / 'monitor.html'}" in said.out


def test_drift_exits_with_3(package: Path, tmp_path: Path) -> None:
    log = log_of(SHIFTED, package, tmp_path / "log.jsonl")
    said = merflow("monitor", log, "--model", package, "--out", tmp_path / "out", "--json")
    assert said.code == 3
    assert json.loads(said.out)["drift"] == ["level_dbfs"]
    assert merflow("monitor", log, "--model", package, "--out", tmp_path / "out").code == 3


def test_labels_that_are_too_few_are_mentioned(package: Path, tmp_path: Path) -> None:
    log = log_of(World(), package, tmp_path / "log.jsonl")
    _, labels = World().traffic(300, seed=3)
    (tmp_path / "labels.csv").write_text(
        "clip_id,label\n" + "".join(f"{n},{v}\n" for n, v in list(labels.items())[:16])
    )
    options = ("--labels", tmp_path / "labels.csv", "--out", tmp_path / "out")
    said = merflow("monitor", log, "--model", package, *options)
    assert said.code == 0
    assert "Note: 16 labels came back; checking accuracy and coverage takes 50." in " ".join(said.out.split())


def test_too_few_clips_exit_with_0_and_a_note(package: Path, tmp_path: Path) -> None:
    log = log_of(SHIFTED, package, tmp_path / "log.jsonl", clips=60)
    said = merflow("monitor", log, "--model", package, "--out", tmp_path / "out")
    assert said.code == 0
    assert "A comparison takes 100; there are 60." in said.out
    few = merflow("monitor", log, "--model", package, "--out", tmp_path / "out", "--min-clips", 50)
    assert few.code == 3


def test_bad_input_exits_with_2(package: Path, tmp_path: Path) -> None:
    assert "no such file" in refused("monitor", tmp_path / "absent.jsonl", "--model", package)
    log = log_of(World(), package, tmp_path / "log.jsonl")
    assert "nothing to compare with" in refused("monitor", log)
    assert "--since soon is not a time" in refused("monitor", log, "--model", package, "--since", "soon")
