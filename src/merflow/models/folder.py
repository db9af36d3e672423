"""The model folder: ``model.safetensors`` and ``card.json``, enough to load a trained model, and no pickle."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Role, StreamShape
from merflow.contracts.strict import Strict
from merflow.errors import ModelError, PresetError, nearest
from merflow.models import MODELS
from merflow.storage.local import digest, replacing

WEIGHTS = "model.safetensors"
CARD = "card.json"


class ModelCard(Strict):
    """What a model is and what it was made from.

    ``model``, ``config``, ``shapes`` and ``classes`` rebuild it; the rest is its record.

    Attributes:
        shapes: Sizes of the streams that it reads.
        classes: Emotion classes in the order of the logits.
        profile: The encoders that made its features.
        encoder_keys: Their keys in the feature store.
        transcripts: Whose words it read, ``truth`` or ``asr``; None for a model that reads none.
        corpus: Name of the corpus.
        split_params: What made the splits: protocol, development data, seed and so on.
        data_md5: Of the files ``manifest`` and ``splits`` that it was trained from; ``dvc.lock`` names files so.
        git_commit: Of the code that trained it; empty outside a checkout.
        recipe: The preset's recipe, resolved.
        params: ``params.yaml``, resolved.
        selection: What chose the epoch, for example ``dev_loss``.
        stages: Encoder policies that it went through, for example ``("frozen",)``.
        origin: Of a preset of one's own, its ``base`` and, where it was tuned, the study and trial; else empty.
    """

    model: str
    preset: str
    config: dict[str, Any]
    shapes: dict[Role, StreamShape]
    taxonomy: str
    classes: tuple[str, ...]
    profile: dict[Role, EncoderSpec]
    encoder_keys: dict[Role, str]
    transcripts: str | None
    corpus: str
    manifest_hash: str
    split_id: str
    split_params: dict[str, Any]
    data_md5: dict[str, str]
    fold: int
    seed: int
    git_commit: str
    merflow_version: str
    recipe: dict[str, Any]
    params: dict[str, Any]
    selection: str
    stages: tuple[str, ...]
    origin: dict[str, Any] = Field(default_factory=dict)


def save_model(folder: Path, model: nn.Module, card: ModelCard) -> None:
    """Writes weights and card, each whole or not at all, the card last; other files of the folder stay.

    Raises:
        OutputError: The folder cannot be written.
    """
    content = card.model_dump(mode="json")
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with replacing(folder / WEIGHTS) as part:
        save_file(weights, part, metadata={"card": digest(content)})
    with replacing(folder / CARD) as part:
        part.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def load_model(folder: Path) -> tuple[nn.Module, ModelCard]:
    """The model in evaluation mode on the CPU, its weights bit-equal to those saved, and its card.

    Raises:
        ModelError: A file is missing or garbled, weights and card do not belong together, or the model's code no
            longer fits them.
    """
    card, stamp = _card_and_stamp(folder / CARD)
    if card.model not in MODELS:
        raise ModelError(f"{folder / CARD}: unknown model {card.model!r}; {nearest(card.model, MODELS)}")
    entry = MODELS[card.model]
    try:
        config = entry.configure(card.config)
    except PresetError as error:
        raise ModelError(f"{folder / CARD}: {error}") from error
    model = entry.model(config, shapes=card.shapes, classes=len(card.classes))
    weights = _read_weights(folder / WEIGHTS, stamp=stamp)
    _check(weights, model.state_dict(), where=folder / WEIGHTS)
    model.load_state_dict(weights)
    return model.eval(), card


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder, whether the weights are there or not.

    Raises:
        ModelError: The card is missing or garbled.
    """
    return _card_and_stamp(folder / CARD)[0]


def _card_and_stamp(path: Path) -> tuple[ModelCard, str]:
    if not path.is_file():
        raise ModelError(f"no such file: {path}; name the model folder of a trained fold")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return ModelCard.model_validate_json(text), digest(json.loads(text))
    except ValidationError as error:
        problems = [f"  {'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise ModelError("\n".join([f"{path} is no model card; train the fold again", *problems])) from error


def _read_weights(path: Path, *, stamp: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"no such file: {path}; train the fold again")
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("card")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ModelError(f"{path} is no safetensors file ({error}); train the fold again") from error
    if found != stamp:
        raise ModelError(
            f"{path} was saved with another {CARD} ({found}, not {stamp}); restore the folder from its run"
        )
    return weights


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
            "\n  ".join([f"{where} does not fit the model; load it with the commit that its card names", *problems])
        )
