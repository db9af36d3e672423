"""Figures of one trained fold: attention maps of single utterances, its gates and layer weights, its embeddings."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.task import Regression
from merflow.errors import EvaluationError, OutputError
from merflow.evaluation.embeddings import plane, unmapped
from merflow.evaluation.report.inspection_figures import embedding_figure, utterance_figure, weights_figure
from merflow.folds.inspection import LoadedFold, drawable
from merflow.folds.opening import open_fold
from merflow.inference.prediction import predict
from merflow.jobs.invariance import check_comparable, counterpart, invariance
from merflow.storage.local import output_errors, replacing, replacing_folder, write_json

_LISTING = "explain.json"


def explain(
    fold: Path,
    *,
    manifest: Path,
    splits: Path,
    features: Path,
    out: Path,
    utterances: Sequence[str] = (),
    examples: int = 4,
    words: bool = False,
    device: str = "auto",
    against: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Draw figures of a fold's model on test utterances, and write the arrays behind them.

    ``utterances/ID.png`` and ``.npz`` show attention maps, gates and weights of single utterances, ``weights/`` the
    gates and layer weights over all of them. ``embedding.png`` and ``.npz`` show the vectors that feed the classifier
    and their t-SNE; there is no figure if no map can be computed. ``invariance.png`` and ``.npz`` show the same for a
    model's modality-invariant representations, next to those of another fold. ``explain.json`` lists the files and is
    written last.

    Args:
        fold: Folder of a trained fold.
        manifest: The validated manifest that it was trained on.
        splits: The splits that it was trained on.
        features: File of the extracted features.
        out: Folder for all files; an earlier explanation is replaced.
        utterances: Utterances to draw; by default, some from every emotion or step of the scale.
        examples: Number of utterances to draw if none are named.
        words: True to print the transcript above each figure.
        device: ``auto``, ``cpu`` or ``cuda``.
        against: Folder of another fold with the same test part, whose modality-invariant representations are shown next
            to this one's. By default, GIA-MIC's full model and the one without its constraint are compared, if both are
            in one run.
        progress: Notified after every utterance.

    Raises:
        EvaluationError: A folder is not a trained fold or was trained on other data, the fold does not test an
            utterance, or ``against`` cannot be compared with it.
        FeatureError: The store lacks a feature.
        FormatError: Another version of merflow trained the fold.
        ModelError: The model cannot be loaded.
        OutputError: ``out`` cannot be written, or holds something else.
    """
    if out.exists() and not (out / _LISTING).is_file():
        raise OutputError(
            f"{out} exists and is not an explanation ({_LISTING} is missing); name a folder that does not exist yet"
        )
    opened = open_fold(fold, manifest=manifest, splits=splits, features=features, device=device)
    beside = against or counterpart(fold)
    other = (
        None
        if beside is None
        else open_fold(beside, manifest=manifest, splits=splits, features=features, device=device)
    )
    if other is not None:
        check_comparable(opened, other)
    tell = progress or plain_lines()
    indices = _named(opened, utterances) or opened.examples(examples)
    batch_size = opened.inputs.preset.recipe.batch_size
    predicted = predict(
        opened.model, opened.test, task=opened.inputs.task, batch_size=batch_size, params=opened.inputs.params
    )
    with replacing_folder(out) as part, output_errors(out):
        shown: dict[str, list[str]] = {}
        for done, index in enumerate(indices, start=1):
            shown = _draw_utterance(opened, index, predicted=predicted[index], words=words, folder=part / "utterances")
            tell("explain utterances", done, len(indices))
        drawn_weights = _draw_weights(opened, folder=part / "weights")
        no_map = _draw_embedding(opened, folder=part)
        agreements = _draw_invariance(opened, other, folder=part)
        write_json(
            part / _LISTING,
            {
                "item": str(opened.inputs.fold_id),
                "utterances": [opened.rows[index]["utterance_id"] for index in indices],
                "shown": shown,
                "weights": drawn_weights,
                "no_map": no_map,
                "invariance": agreements,
            },
        )
    embeddings = f"embeddings without a map ({no_map})" if no_map else "embeddings"
    compared = f", invariance of {' and '.join(agreements)}" if agreements else ""
    drawn = f"{len(indices)} utterance(s), {len(drawn_weights)} weight(s), {embeddings}{compared}"
    say(f"explain {opened.inputs.fold_id}: {drawn}; {out}")
    return out


def _named(opened: LoadedFold, utterances: Sequence[str]) -> list[int]:
    """Return the indices of these utterances in the test part."""
    index_of = {row["utterance_id"]: index for index, row in enumerate(opened.rows)}
    foreign = [name for name in utterances if name not in index_of]
    if foreign:
        raise EvaluationError(
            f"utterance {foreign[0]!r} is not in the test part of fold {opened.inputs.fold} "
            f"({len(index_of)} utterances, the first {opened.rows[0]['utterance_id']}); "
            "choose one of them, or explain the fold that tests it"
        )
    return [index_of[name] for name in utterances]


def _draw_utterance(
    opened: LoadedFold, index: int, *, predicted: np.ndarray, words: bool, folder: Path
) -> dict[str, list[str]]:
    seen = opened.seen(index, predicted=predicted, words=words)
    _save(utterance_figure(seen), folder / f"{seen.utterance_id}.png")
    _save_arrays(folder / f"{seen.utterance_id}.npz", {name: entry.values for name, entry in seen.arrays.items()})
    return {name: list(entry.axes) for name, entry in seen.arrays.items()}


def _draw_weights(opened: LoadedFold, *, folder: Path) -> list[str]:
    averages = opened.averages()
    for name, shown in averages.items():
        _save_arrays(folder / f"{name}.npz", {"values": shown.values, **_labels(opened)})
    drawn = drawable(averages)
    for name, entry in drawn.items():
        figure = weights_figure(
            entry.values,
            groups=opened.emotions,
            task=opened.inputs.task,
            title=f"{name}, {opened.inputs.fold_id}",
            axis=entry.axis,
        )
        _save(figure, folder / f"{name}.png")
    return list(drawn)


def _labels(opened: LoadedFold) -> dict[str, np.ndarray]:
    """Return the true label of every utterance: its emotion, or its score and the nearest step of the scale."""
    task, groups = opened.inputs.task, np.array(opened.emotions)
    if isinstance(task, Regression):
        return {"step": groups, task.name: np.array([row[task.column] for row in opened.rows], dtype=np.float64)}
    return {"emotion": groups}


def _draw_embedding(opened: LoadedFold, *, folder: Path) -> str:
    """Write the embeddings; return why there is no map of them, or an empty string."""
    vectors = opened.embedding()
    points = plane(vectors, seed=opened.inputs.seed)
    _save_arrays(
        folder / "embedding.npz",
        {
            "utterance_id": np.array([row["utterance_id"] for row in opened.rows]),
            **_labels(opened),
            "embedding": vectors,
            **({} if points is None else {"tsne": points}),
        },
    )
    if points is None:
        return unmapped(vectors)
    figure = embedding_figure(
        points,
        groups=opened.emotions,
        task=opened.inputs.task,
        title=f"t-SNE of {opened.inputs.fold_id}, test part",
    )
    _save(figure, folder / "embedding.png")
    return ""


def _draw_invariance(opened: LoadedFold, other: LoadedFold | None, *, folder: Path) -> dict[str, Any]:
    """Write the modality-invariant representations; return their agreement by variant, nothing if there are none."""
    compared = invariance([opened] if other is None else [opened, other])
    if not compared.agreements:
        return {}
    _save_arrays(folder / "invariance.npz", compared.arrays)
    if compared.figure is not None:
        _save(compared.figure, folder / "invariance.png")
    return {variant: asdict(agreement) for variant, agreement in compared.agreements.items()}


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=130)


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
