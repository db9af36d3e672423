"""The name, tags, params and datasets that MLflow shows of a fold and of its variant, read from the fold's record."""

from typing import Any

from merflow.contracts.planned_fold import PlannedFold
from merflow.tracking.runs import SOURCE_TAGS


def run_name(fold: PlannedFold) -> str:
    """Return the name of the fold's run; MLflow's tables cut off the end of a long one."""
    seed = f" seed {fold.seed}" if fold.seed else ""
    return f"fold {fold.fold}{seed} of {fold.variant}"


def identity(fold: PlannedFold) -> dict[str, str]:
    """Return the tags that no other fold of the benchmark has."""
    return {"variant": fold.variant, "fold": str(fold.fold), "seed": str(fold.seed)}


def variant_tags(fold: PlannedFold) -> dict[str, str]:
    """Return the tags that all folds of the variant share."""
    return {
        "model": fold.model,
        "preset": fold.preset,
        "task": fold.task.name,
        "corpus": fold.corpus,
        "manifest_hash": fold.manifest_hash,
        "split_id": fold.split_id,
        "protocol": fold.protocol,
        "selection": str(fold.selection),
        "promotable": promotable_tag(fold.promotable),
        "regime": fold.regime.note or "as in the preset",
        **_origin_tags(fold),
        **SOURCE_TAGS,
        **({"mlflow.source.git.commit": fold.git_commit} if fold.git_commit else {}),
    }


def promotable_tag(promotable: bool) -> str:
    """Return the value of the tag ``promotable``, by which MLflow's users search."""
    return str(promotable).lower()


def _origin_tags(fold: PlannedFold) -> dict[str, str]:
    """Return the base of a user's preset, and the study that found its settings."""
    origin = fold.origin
    if origin is None:
        return {}
    tags = {"base": origin.base, "tuned_in_study": origin.study, "tuned_in_trial": origin.trial}
    return {tag: value for tag, value in tags.items() if value is not None}


def variant_params(fold: PlannedFold) -> dict[str, object]:
    """Return the settings that all folds share, with model and preset: MLflow's charts draw params, not tags."""
    return {"model": fold.model, "preset": fold.preset, **fold.settings}


def fold_params(fold: PlannedFold) -> dict[str, object]:
    """Return the settings of this fold."""
    return {**variant_params(fold), "fold": fold.fold, "seed": fold.seed}


def part_datasets(fold: PlannedFold, *, url: str = "") -> list[Any]:
    """Return the fold's training, development and test part as MLflow's dataset inputs: hashes, no data.

    Args:
        fold: The fold.
        url: Address of the splits; empty if they have none.
    """
    parts = ("train", "dev", "test")
    return [_dataset(fold, f"fold {fold.fold} {part}", part, {"fold": str(fold.fold)}, url) for part in parts]


def all_folds_dataset(fold: PlannedFold, *, url: str = "") -> list[Any]:
    """Return the test parts of all folds as one of MLflow's dataset inputs; arguments as in :func:`part_datasets`."""
    return [_dataset(fold, "all folds", "test", {}, url)]


def _dataset(fold: PlannedFold, name: str, part: str, more: dict[str, str], url: str) -> Any:  # noqa: ANN401 - mlflow's DatasetInput
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    facts = {"corpus": fold.corpus, "manifest_hash": fold.manifest_hash, "split_id": fold.split_id}
    facts |= {"protocol": fold.protocol, "part": part, **more}
    dataset = MetaDataset(
        resolve_dataset_source(url) if url else CodeDatasetSource(facts),
        name=f"{fold.corpus} {fold.protocol} {name}",
        digest=f"{fold.manifest_hash}/{fold.split_id}"[:36],  # MLflow takes no more
    )
    tags = [InputTag("mlflow.data.context", part), *(InputTag(key, value) for key, value in facts.items())]
    return DatasetInput(dataset._to_mlflow_entity(), tags=tags)
