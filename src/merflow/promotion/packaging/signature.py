"""The signature, the input example and the pinned requirements of a packaged model in MLflow."""

import base64
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from merflow.contracts.model_package import ModelPackage
from merflow.contracts.task import Regression
from merflow.corpus.samples import RATE_HZ
from merflow.inference.clip_table import ABSTAINED, EMOTION, HIGH, LOW, SCORE, SET, probability_column

_EXAMPLE_S, _EXAMPLE_HZ = 0.5, 220.0
# Packages whose version affects the numbers or the loading, besides merflow itself.
_ALWAYS = ("numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy", "soundfile", "soxr", "torch")
_PRETRAINED, _VIDEO = ("transformers", "tokenizers"), ("av",)


def signature_of(package: ModelPackage) -> Any:  # noqa: ANN401 - mlflow's ModelSignature
    """Return the input and output columns."""
    from mlflow.models import ModelSignature
    from mlflow.types import DataType, ParamSchema, ParamSpec
    from mlflow.types.schema import AnyType, Array, ColSpec, Schema

    text = [ColSpec(DataType.string, name, required=False) for name in ("video", "text", "gender", "dialogue")]
    if isinstance(package.predicted, Regression):
        answers = [ColSpec(DataType.double, name) for name in (SCORE, LOW, HIGH)]
    else:
        answers = [
            ColSpec(DataType.string, EMOTION),
            *(ColSpec(DataType.double, probability_column(name)) for name in package.classes),
            ColSpec(Array(DataType.string), SET),
        ]
    outputs = [*answers, ColSpec(DataType.boolean, ABSTAINED)]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), "audio", required=False), *text]),
        outputs=Schema(outputs),
        params=ParamSchema([ParamSpec("calibrated", DataType.boolean, default=True)]),
    )


def input_example(package: ModelPackage) -> pd.DataFrame:
    """Return one row that the model accepts: a tone and some words, and nobody's recording."""
    example: dict[str, list[str]] = {}
    if "audio" in package.modalities or package.modalities == ("video",):
        example["audio"] = [_tone()]
    if "text" in package.modalities:
        example["text"] = ["I did not expect to see you here."]
    return pd.DataFrame(example)


def requirements_of(package: ModelPackage) -> list[str]:
    """Return the requirements that the model was built with, each pinned to its version."""
    names = [*_ALWAYS]
    if any(encoder.digest for encoder in package.encoders.values()):
        names += _PRETRAINED
    if "video" in package.modalities:
        names += _VIDEO
    return [f"merflow=={version('merflow')}", f"mlflow=={version('mlflow')}", *map(_pinned, names)]


def _pinned(name: str) -> str:
    try:
        return f"{name}=={version(name).partition('+')[0]}"
    except PackageNotFoundError:
        return name


def _tone() -> str:
    """Return half a second of a tone as a data URI."""
    time_s = np.arange(int(_EXAMPLE_S * RATE_HZ)) / RATE_HZ
    content = BytesIO()
    soundfile.write(content, 0.1 * np.sin(2 * np.pi * _EXAMPLE_HZ * time_s), RATE_HZ, format="WAV", subtype="PCM_16")
    return f"data:audio/wav;base64,{base64.b64encode(content.getvalue()).decode()}"
