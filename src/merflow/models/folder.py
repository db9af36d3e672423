"""The model folder: weights and the fold's record, enough to load a trained model, and no pickle.

``model.safetensors`` holds the weights. ``fold_record.json`` (:mod:`merflow.contracts.fold_record`) names the model
and everything that it was made from. The weights carry a digest of the record, so that files of two trainings are
never mixed.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow.contracts.fold_record import FOLD_RECORD, FoldRecord, read_fold_record, write_fold_record
from merflow.errors import ModelError, PresetError, nearest
from merflow.models import MODELS
from merflow.storage.local import replacing

WEIGHTS = "model.safetensors"
_STAMP = "record"


def save_model(folder: Path, model: nn.Module, record: FoldRecord) -> None:
    """Write weights and record, each whole or not at all, the record last; other files of the folder stay.

    Raises:
        OutputError: The folder cannot be written.
    """
    save_weights(
        folder / WEIGHTS,
        {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()},
        record=record,
    )
    write_fold_record(folder, record)


def load_model(folder: Path) -> tuple[nn.Module, FoldRecord]:
    """Load the model in evaluation mode on the CPU, its weights bit-equal to those saved, and its record.

    Raises:
        ModelError: A file is missing or damaged, weights and record do not belong together, or the model's code no
            longer fits them.
        FormatError: Another version of merflow wrote the record.
    """
    record = read_fold_record(folder)
    where = folder / FOLD_RECORD
    if record.model not in MODELS:
        raise ModelError(f"{where}: unknown model {record.model!r}; {nearest(record.model, MODELS)}")
    entry = MODELS[record.model]
    try:
        config = entry.configure(record.config)
    except PresetError as error:
        raise ModelError(f"{where}: {error}") from error
    model = entry.model(config, shapes=record.shapes, task=record.task)
    weights, _ = load_weights(folder / WEIGHTS, record=record)
    _check(weights, model.state_dict(), where=folder / WEIGHTS)
    model.load_state_dict(weights)
    return model.eval(), record


def save_weights(
    path: Path, weights: dict[str, Tensor], *, record: FoldRecord, metadata: dict[str, str] | None = None
) -> None:
    """Write weights that carry the record's digest, whole or not at all.

    Raises:
        OutputError: The folder cannot be written.
    """
    with replacing(path) as part:
        save_file(weights, part, metadata={_STAMP: record.stamp, **(metadata or {})})


def load_weights(path: Path, *, record: FoldRecord) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Load the weights that belong to a record, and their metadata.

    Raises:
        ModelError: The file is missing or damaged, or was saved with another record.
    """
    if not path.is_file():
        raise ModelError(f"no such file: {path}; train the fold again")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ModelError(f"{path} is not a safetensors file ({error}); train the fold again") from error
    if metadata.get(_STAMP) != record.stamp:
        raise ModelError(f"{path} was saved with another {FOLD_RECORD}; restore the folder from its run")
    return weights, metadata


def _check(weights: dict[str, Tensor], expected: dict[str, Tensor], *, where: Path) -> None:
    problems = [f"{name}: missing" for name in sorted(expected.keys() - weights.keys())]
    problems += [f"{name}: unknown to the model" for name in sorted(weights.keys() - expected.keys())]
    problems += [
        f"{name}: shape {tuple(weights[name].shape)}, the model has {tuple(value.shape)}"
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if problems:
        raise ModelError(
            "\n  ".join([f"{where} does not fit the model; load it with the commit in its record", *problems])
        )
