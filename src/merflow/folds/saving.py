"""The model folder of a finished training run."""

from pathlib import Path

from torch import nn

from merflow.contracts.fold_record import FoldRecord
from merflow.features.batches.standardize import STANDARDIZER, Standardizer
from merflow.inference.encoded import EncodedModel, save_encoders
from merflow.models.folder import save_model


def save_trained(folder: Path, learner: nn.Module, record: FoldRecord, *, standardizer: Standardizer | None) -> None:
    """Write everything needed to load the model, the record last.

    Args:
        folder: The model folder.
        learner: The trained model, behind its encoders if they were fine-tuned.
        record: Its record.
        standardizer: Statistics of its training part; None if it reads features without standardization.

    Raises:
        OutputError: The folder cannot be written.
    """
    model = learner
    if isinstance(learner, EncodedModel):
        save_encoders(folder, learner.encoders, record=record)
        model = learner.model
    if standardizer is not None:
        standardizer.save(folder / STANDARDIZER)
    save_model(folder, model, record)
