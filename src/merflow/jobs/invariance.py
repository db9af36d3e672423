"""The map of modality-invariant representations that :mod:`merflow.jobs.explain` draws (Fig. 2 of GIA-MIC)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from merflow.errors import EvaluationError
from merflow.evaluation.embeddings import plane
from merflow.evaluation.invariance import Agreement, agreement
from merflow.evaluation.report.invariance_figure import InvariancePanel, invariance_figure
from merflow.folds.inspection import LoadedFold
from merflow.runs import fold_folder

# Presets of Fig. 2, in its order: without the constraint and with it.
_SIDE_BY_SIDE = ("no-mic", "full")
# Utterances in a map: a t-SNE of three modalities of an IEMOCAP session would take minutes. The figures use all.
_MOST_UTTERANCES = 500
_SAME = ("manifest_hash", "split_id", "encoder_keys")


@dataclass(frozen=True)
class Invariance:
    """Representations of every modality in one or two models.

    Attributes:
        agreements: Agreement of the modalities by variant; empty for a model without such representations.
        arrays: The representations and the maps, named ``VARIANT/MODALITY`` and ``VARIANT/MODALITY/tsne``.
        figure: The maps; None if none can be computed.
    """

    agreements: Mapping[str, Agreement]
    arrays: dict[str, np.ndarray]
    figure: Figure | None


def counterpart(fold: Path) -> Path | None:
    """Return the fold that Fig. 2 shows next to this one, if the same run has it on the same data; otherwise None."""
    record = fold_folder.read_record(fold)
    if record.model != "gia-mic" or record.preset not in _SIDE_BY_SIDE:
        return None
    (preset,) = (preset for preset in _SIDE_BY_SIDE if preset != record.preset)
    folder = fold.resolve().parents[1] / preset / fold.resolve().name
    if not fold_folder.is_fold(folder):
        return None
    other = fold_folder.read_record(folder)
    return folder if all(getattr(record, name) == getattr(other, name) for name in _SAME) else None


def check_comparable(fold: LoadedFold, other: LoadedFold) -> None:
    """Raise unless two folds test the same utterances with different variants.

    Raises:
        EvaluationError: They do not.
    """
    one, two = fold.inputs.fold_id, other.inputs.fold_id
    if fold.inputs.preset.variant == other.inputs.preset.variant:
        raise EvaluationError(f"{two} is of the same variant as {one}; pass --against a fold of another variant")
    if [row["utterance_id"] for row in fold.rows] != [row["utterance_id"] for row in other.rows]:
        raise EvaluationError(f"{two} does not test the utterances of {one}; pass --against the same fold")


def invariance(folds: Sequence[LoadedFold]) -> Invariance:
    """Compare the representations of all modalities, for each of several folds with the same test part."""
    agreements: dict[str, Agreement] = {}
    panels = []
    arrays = {"utterance_id": np.array([row["utterance_id"] for row in folds[0].rows])}
    # The model without the constraint comes first.
    for fold in sorted(folds, key=lambda fold: fold.inputs.preset.name != _SIDE_BY_SIDE[0]):
        variant, representations = fold.inputs.preset.variant, fold.invariants()
        if len(representations) < 2 or len(fold.rows) < 2:
            continue
        agreements[variant] = agreement(representations)
        points = _maps(representations, seed=fold.inputs.seed)
        arrays |= {f"{variant}/{modality}": values for modality, values in representations.items()}
        arrays |= {f"{variant}/{modality}/tsne": values for modality, values in points.items()}
        if points:
            panels.append(InvariancePanel(_title(fold), points, agreements[variant]))
    title = f"t-SNE of the modality-invariant representations, test part of fold {folds[0].inputs.fold}"
    return Invariance(agreements, arrays, invariance_figure(panels, title=title) if panels else None)


def _maps(representations: Mapping[str, np.ndarray], *, seed: int) -> dict[str, np.ndarray]:
    """Return one t-SNE of all modalities, ``(U, 2)`` each, of evenly spaced utterances; empty if there is none."""
    count = len(next(iter(representations.values())))
    chosen = {name: values[:: -(-count // _MOST_UTTERANCES)] for name, values in representations.items()}
    points = plane(np.concatenate(list(chosen.values())), seed=seed)
    return {} if points is None else dict(zip(chosen, np.split(points, len(chosen)), strict=True))


def _title(fold: LoadedFold) -> str:
    weight = getattr(fold.inputs.config, "mic_weight", None)
    constraint = "" if weight is None else ", without MIC" if not weight else f", MIC weighs {weight:g}"
    return f"{fold.inputs.preset.variant}{constraint}"
