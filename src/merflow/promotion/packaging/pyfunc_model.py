"""The MLflow model of a package.

MLflow stores this file and runs it when the model is loaded, so nothing is unpickled. It only needs the packages that
predict, not those that train. ``model_config`` may set ``encoders_folder`` and ``device``; without the former, the
environment variable ``MERFLOW_ENCODERS_FOLDER`` applies.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from merflow.inference.clip_table import predict_table
from merflow.inference.packaged_model import PackagedModel, load_package

ENCODERS_FOLDER = "MERFLOW_ENCODERS_FOLDER"


class EmotionModel(PythonModel):  # type: ignore[misc] # mlflow has no types
    """Predicts the emotions or scores of the clips in a table (:mod:`merflow.inference.clip_table`)."""

    packaged: PackagedModel

    def load_context(self, context: PythonModelContext) -> None:
        """Load the package."""
        config = context.model_config or {}
        self.packaged = load_package(
            Path(context.artifacts["package"]),
            encoders_folder=str(config.get("encoders_folder") or os.environ.get(ENCODERS_FOLDER, "")),
            device=str(config.get("device") or "auto"),
        )

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - mlflow passes it
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return one row per clip."""
        return predict_table(self.packaged, model_input, calibrated=bool((params or {}).get("calibrated", True)))


set_model(EmotionModel())
