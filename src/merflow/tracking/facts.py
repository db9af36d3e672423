"""What identifies a fold's training, and what it was made from: the tags and inputs of its runs in MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merflow.tracking.runs import SOURCE_TAGS

# Of a preset of one's own: what it is made from, and the search that found its settings.
_ORIGIN_TAGS = {"base": "base", "study": "tuned_in_study", "trial": "tuned_in_trial"}


@dataclass(frozen=True)
class FoldFacts:
    """One fold's training.

    Attributes:
        variant: ``model:preset``.
        fingerprint: Of all that decides the result: equal ones are equal trainings.
        selection: How the epoch is chosen.
        promotable: Whether a model whose epoch was chosen so may be promoted.
        params: Recipe, model config and training settings; nested ones get dotted names.
        origin: What a preset of one's own is made from (``Preset.origin``); empty for a paper's.
    """

    variant: str
    fold: int
    seed: int
    fingerprint: str
    corpus: str
    manifest_hash: str
    split_id: str
    protocol: str
    selection: str
    promotable: bool
    git_commit: str | None
    params: Mapping[str, object] = field(default_factory=dict)
    origin: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The fold's run in MLflow, whose tables cut off the end of a long one."""
        seed = f" seed {self.seed}" if self.seed else ""
        return f"fold {self.fold}{seed} of {self.variant}"

    @property
    def identity(self) -> dict[str, str]:
        """Tags that no other fold of the benchmark has."""
        return {"variant": self.variant, "fold": str(self.fold), "seed": str(self.seed)}

    @property
    def tags(self) -> dict[str, str]:
        """Further tags, the same for every fold of the variant."""
        model, _, preset = self.variant.partition(":")
        return {
            "model": model,
            "preset": preset,
            "corpus": self.corpus,
            "manifest_hash": self.manifest_hash,
            "split_id": self.split_id,
            "protocol": self.protocol,
            "selection": self.selection,
            "promotable": str(self.promotable).lower(),
            **{tag: str(self.origin[key]) for key, tag in _ORIGIN_TAGS.items() if key in self.origin},
            **SOURCE_TAGS,
            **({"mlflow.source.git.commit": self.git_commit} if self.git_commit else {}),
        }

    @property
    def variant_params(self) -> dict[str, object]:
        """Settings of all folds; the names are among them, for MLflow's charts draw params and not tags."""
        return {"model": self.tags["model"], "preset": self.tags["preset"], **self.params}

    @property
    def fold_params(self) -> dict[str, object]:
        """Settings of this fold."""
        return {**self.variant_params, "fold": self.fold, "seed": self.seed}

    @property
    def parts(self) -> list[Any]:
        """The fold's training, development and test utterances as MLflow's dataset inputs: hashes, no data."""
        return [self._input(f"fold {self.fold} {part}", part, fold=self.fold) for part in ("train", "dev", "test")]

    @property
    def all_folds(self) -> list[Any]:
        """What a variant is tested on, as MLflow's dataset input."""
        return [self._input("all folds", "test")]

    def _input(self, name: str, context: str, **more: object) -> Any:  # noqa: ANN401 - mlflow's DatasetInput
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        source = {"corpus": self.corpus, "manifest_hash": self.manifest_hash, "split_id": self.split_id}
        dataset = MetaDataset(
            CodeDatasetSource({**source, "protocol": self.protocol, "part": context, **more}),
            name=f"{self.corpus} {self.protocol} {name}",
            digest=f"{self.manifest_hash}/{self.split_id}"[:36],  # MLflow takes no more
        )
        return DatasetInput(dataset._to_mlflow_entity(), tags=[InputTag("mlflow.data.context", context)])
