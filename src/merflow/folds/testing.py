"""The test part of a fold, whole and with modalities missing, and a model's predictions of it."""

from collections.abc import Mapping

import numpy as np
from torch import nn

from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import MODALITY_OF
from merflow.contracts.transcripts import transcripts_of
from merflow.folds.datasets import FoldDatasets
from merflow.folds.inputs import FoldInputs
from merflow.inference.missing import Without, missing_sets
from merflow.inference.prediction import predict
from merflow.inference.ranks import Ranks


def parts_by_missing(inputs: FoldInputs, datasets: FoldDatasets, recipe: Recipe) -> dict[str, UtteranceSource]:
    """Return the test part by what is missing, as ``contracts.tables.MISSING`` names it; the first misses nothing."""
    whole = datasets.part("test", recipe)
    modalities = {MODALITY_OF[stream.role] for stream in inputs.streams}
    tests: dict[str, UtteranceSource] = {"": whole}
    tests |= {"+".join(missing): Without(whole, missing) for missing in missing_sets(modalities)}
    if (others := inputs.streams_with_other_words) is not None:
        tests[f"text={transcripts_of(others)}"] = datasets.part("test", recipe, streams=others)
    return tests


def predictions_by_missing(
    inputs: FoldInputs, model: nn.Module, tests: Mapping[str, UtteranceSource], *, recipe: Recipe, ranks: Ranks
) -> dict[str, np.ndarray]:
    """Return the test predictions by what is missing."""
    return {
        missing: predict(
            model,
            test,
            task=inputs.task,
            batch_size=recipe.batch_size,
            params=inputs.params,
            precision=recipe.precision,
            ranks=ranks,
        )
        for missing, test in tests.items()
    }
