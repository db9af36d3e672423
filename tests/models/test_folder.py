"""Model folders that are damaged say what is wrong with which file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from merflow.contracts.fold_record import FOLD_RECORD, read_fold_record
from merflow.errors import FormatError, ModelError, OutputError, PresetError
from merflow.models import MODELS
from merflow.models.folder import load_model, save_model, save_weights
from merflow.presets.catalogue import preset
from tests.models.batches import EMOTIONS, shapes_of
from tests.models.records import record_of

PRESET = preset("context-mmt:mmt-frozen")
CONFIG = MODELS["context-mmt"].configure(PRESET.config)
SHAPES = shapes_of(CONFIG.streams())


def model() -> torch.nn.Module:
    return MODELS["context-mmt"].model(CONFIG, shapes=SHAPES, task=EMOTIONS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path, model(), record_of(PRESET, shapes=SHAPES))
    return tmp_path


def edit_record(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / FOLD_RECORD).read_text())
    change(record)
    (folder / FOLD_RECORD).write_text(json.dumps(record))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_weights(folder / "model.safetensors", weights, record=read_fold_record(folder))


@pytest.mark.parametrize("name", [FOLD_RECORD, "model.safetensors"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match="no such file") as error:
        load_model(folder)
    assert str(folder / name) in str(error.value)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such file: .*absent.fold_record\.json"):
        load_model(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe"])
def test_a_damaged_record(folder: Path, content: bytes) -> None:
    (folder / FOLD_RECORD).write_bytes(content)
    with pytest.raises(FormatError, match=r"fold_record\.json .*; train the fold again"):
        load_model(folder)


def test_a_model_folder_of_the_first_format(folder: Path) -> None:
    (folder / FOLD_RECORD).unlink()
    (folder / "card.json").write_text('{"model": "context-mmt", "merflow_version": "0.1.0"}')
    with pytest.raises(FormatError, match=r"card\.json was written by merflow 0\.1\.0 .*; train the fold again"):
        load_model(folder)


@pytest.mark.parametrize("kept", [0, 4, 300])
def test_cut_weights(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"model\.safetensors is not a safetensors file"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(model="context-mtm"), "unknown model 'context-mtm'; did you mean 'context-mmt'"),
        (lambda record: record["config"].update(dimz=3), r"record.json: .*\n  dimz: unknown key; did you mean 'dims'"),
        (lambda record: record["config"].update(system="mtm"), "system: Input should be 'audio-fc'"),
        (lambda record: record.update(colour="red"), "colour: Extra inputs are not permitted"),
        (lambda record: record.pop("split_id"), "split_id: Field required"),
    ],
)
def test_a_record_that_cannot_be(folder: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    edit_record(folder, change)
    with pytest.raises((ModelError, FormatError), match=message):
        load_model(folder)


def test_a_record_of_other_weights(folder: Path) -> None:
    edit_record(folder, lambda record: record.update(fold=2))
    with pytest.raises(ModelError, match=r"was saved with another fold_record\.json"):
        load_model(folder)


def test_weights_that_do_not_fit_are_all_named(folder: Path) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        weights["stranger"] = weights.pop("classify.0.bias")
        weights["classify.2.weight"] = torch.zeros(5, 64)

    edit_weights(folder, change)
    with pytest.raises(ModelError, match="does not fit the model") as error:
        load_model(folder)
    lines = str(error.value).splitlines()
    assert lines[1:] == [
        "  classify.0.bias: missing",
        "  stranger: unknown to the model",
        "  classify.2.weight: shape (5, 64), the model has (4, 64)",
    ]


def test_other_files_of_the_folder_stay(folder: Path) -> None:
    (folder / "standardizer.safetensors").write_bytes(b"statistics")
    save_model(folder, model(), record_of(PRESET, shapes=SHAPES))
    assert len(list(folder.iterdir())) == 3


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        save_model(tmp_path / "file" / "model", model(), record_of(PRESET, shapes=SHAPES))


def test_switches_that_cannot_be_are_reported_together() -> None:
    with pytest.raises(PresetError) as error:
        MODELS["context-mmt"].configure({"systm": "mmt", "dims": "wide", "kernel": 3})
    assert str(error.value).splitlines() == [
        "ContextMMTConfig: 3 problem(s)",
        "  systm: unknown key; did you mean 'system'?",
        "  system: Field required",
        "  dims: Input should be a valid integer, unable to parse string as an integer, found 'wide'",
    ]
