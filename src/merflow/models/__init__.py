"""The models by name: one entry of ``MODELS`` per paper."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from torch import nn

from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.contracts.task import Task
from merflow.errors import PresetError, nearest
from merflow.models.context_mmt import ContextMMT, ContextMMTConfig
from merflow.models.foal_net import FoalNet, FoalNetConfig
from merflow.models.gia_mic import GIAMIC, GIAMICConfig
from merflow.models.layer_adapter_fusion import LayerAdapterFusion, LayerAdapterFusionConfig
from merflow.models.mfdr import MFDR, MFDRConfig


class ModelConfig(Protocol):
    """The interface of every model's config dataclass."""

    def streams(self) -> tuple[Stream, ...]:
        """Return the input sequences that the model reads."""
        ...


class ModelClass(Protocol):
    """The constructor of every model. A model's ``forward(batch)`` returns an ``Output``."""

    def __call__(self, config: Any, *, shapes: Mapping[Role, StreamShape], task: Task) -> nn.Module:  # noqa: ANN401
        """Return a model with fresh weights, given a config of the model's own class."""
        ...


class ModelEntry(NamedTuple):
    """A model class and its config dataclass."""

    model: ModelClass
    config: type[Any]

    def configure(self, values: Mapping[str, Any], *, where: str = "") -> ModelConfig:
        """Return the model's config for a preset's switches.

        Args:
            values: The switches by name.
            where: Their origin, for errors; empty for the name of the config's class.

        Raises:
            PresetError: A key is unknown or missing, or a value is not allowed.
        """
        known = [field.name for field in fields(self.config)]
        problems = [f"{key}: unknown key; {nearest(key, known)}" for key in values if key not in known]
        try:
            config: ModelConfig = TypeAdapter(self.config).validate_python(
                {key: value for key, value in values.items() if key in known}, strict=False
            )
        except ValidationError as error:
            problems += [_problem(detail) for detail in error.errors()]
        if problems:
            raise PresetError("\n  ".join([f"{where or self.config.__name__}: {len(problems)} problem(s)", *problems]))
        return config


def _problem(detail: ErrorDetails) -> str:
    """Return one line. The value is left out where a key is missing or where the model's own check names it."""
    key = f"{'.'.join(map(str, detail['loc']))}: " if detail["loc"] else ""
    if detail["type"] in ("missing", "value_error"):
        return key + detail["msg"].removeprefix("Value error, ")
    return f"{key}{detail['msg']}, found {detail['input']!r}"


MODELS: dict[str, ModelEntry] = {
    "context-mmt": ModelEntry(ContextMMT, ContextMMTConfig),
    "foal-net": ModelEntry(FoalNet, FoalNetConfig),
    "gia-mic": ModelEntry(GIAMIC, GIAMICConfig),
    "layer-adapter-fusion": ModelEntry(LayerAdapterFusion, LayerAdapterFusionConfig),
    "mfdr": ModelEntry(MFDR, MFDRConfig),
}
