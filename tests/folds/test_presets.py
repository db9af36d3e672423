import inspect
import json
from pathlib import Path

import pytest

import merflow.models
from merflow.folds.presets import STREAMS, TRAINING, streams_of, training_of, write_presets
from merflow.models import MODELS
from merflow.presets.catalogue import preset, presets

SHARED = {"__init__.py", "folder.py", "layers.py"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("presets") / "out"
    write_presets(out)
    return out


def test_every_preset_has_both_files(written: Path) -> None:
    for kind in (STREAMS, TRAINING):
        assert {path.stem for path in (written / kind).iterdir()} == set(presets())


def test_a_preset_tells_what_it_reads_and_by_what_it_learns(written: Path) -> None:
    streams = json.loads((written / STREAMS / "mfdr:full.json").read_text())
    assert [(stream["role"], stream["clip_s"]) for stream in streams] == [("speech", 5.12), ("text", None)]
    training = json.loads((written / TRAINING / "mfdr:full.json").read_text())
    assert training["profiles"]["paper"]["config"]["dims"] == 256  # a default of the model's own
    assert [recipe["max_epochs"] for recipe in training["profiles"]["paper"]["recipes"]] == [40]


def test_presets_that_read_the_same_extract_the_same_and_train_otherwise() -> None:
    gru, full = preset("mfdr:gru"), preset("mfdr:full")
    assert streams_of(gru) == streams_of(full)
    assert training_of(gru) != training_of(full)
    assert training_of(gru)["code"] == training_of(full)["code"] != training_of(preset("gia-mic:st"))["code"]


def test_every_file_of_the_room_is_a_models_own_or_shared() -> None:
    """No training's record would include a file next to them."""
    user_presets = {Path(inspect.getfile(entry.config)).name for entry in MODELS.values()}
    assert len(user_presets) == len(MODELS)
    assert {path.name for path in Path(merflow.models.__path__[0]).glob("*.py")} == user_presets | SHARED
