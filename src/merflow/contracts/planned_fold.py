"""Everything that is known about a fold before it is trained: its inputs, its settings and its code."""

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from merflow.contracts.fold_id import FoldId
from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.protocols import DevelopmentData, Policy, Protocol
from merflow.contracts.recipe import Recipe
from merflow.contracts.regime import Regime
from merflow.contracts.selection import Selection
from merflow.contracts.split_params import SplitParams
from merflow.contracts.streams import MODALITY_OF, Modality, Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import Task, task_of
from merflow.storage.local import digest


class Environment(Strict):
    """Versions of the software behind a computation, and its hardware.

    Attributes:
        os: Operating system, its release and the machine's architecture.
        device: Name of the GPU, or the machine's architecture.
    """

    merflow: str
    python: str
    torch: str
    numpy: str
    os: str
    device: str

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self)


class RecordedEncoder(Strict):
    """One encoder that made a fold's features.

    Attributes:
        key: Its key in the feature store.
        spec: Its name, revision, digest and settings; the folder on the training machine is left out.
        of_paper: True if it is exactly the encoder that the paper names.
    """

    key: str
    spec: EncoderSpec
    of_paper: bool


class DataMd5(Strict):
    """MD5 of the files that a fold was trained from, as ``dvc.lock`` names them."""

    manifest: str
    splits: str


class Origin(Strict):
    """The source of a user's preset.

    Attributes:
        base: The variant that the preset is made from.
        changes: Its settings in the recipe of each stage.
        tuned: How its settings were found, as the preset's file says; empty if nothing was tuned.
    """

    base: str
    changes: tuple[dict[str, Any], ...] = ()
    tuned: dict[str, Any]

    @property
    def study(self) -> str | None:
        """Name of the study that found the settings."""
        return self._text("study")

    @property
    def trial(self) -> str | None:
        """Number of the study's trial that became the preset."""
        return self._text("trial")

    @property
    def development(self) -> str | None:
        """Development figure of that trial in words: UA in percent, or CCC of scores."""
        ua, ccc = self.tuned.get("dev_UA"), self.tuned.get("dev_CCC")
        if isinstance(ua, (int, float)):
            return f"UA {100 * ua:.1f}%"
        return f"CCC {ccc:.3f}" if isinstance(ccc, (int, float)) else None

    @property
    def git_commit(self) -> str | None:
        """Commit of the code that ran the study."""
        return self._text("git_commit")

    def _text(self, key: str) -> str | None:
        value = self.tuned.get(key)
        return None if value in (None, "") else str(value)


class PlannedFold(Strict):
    """Everything that is known about a fold before it is trained.

    Attributes:
        fingerprint: Digest of everything that affects the result; equal fingerprints mean equal training runs.
        fold: Counted from 1; 0 for a refit on the utterances of all folds, whose ``split_id`` is of a split without
            development and test part.
        config: Switches of the model's config.
        classes: Emotion classes in the order of the logits; empty for a score.
        selection: The rule that chooses the epoch.
        recipes: One for each trained stage, in the order of training.
        regime: Treatment of the encoders in training, as in the paper's row and as carried out.
        standardized: True if features are standardized by the statistics of the training part.
        training: Device, precision, threads and so on.
        transcripts: Kind of transcripts that the model reads, ``truth``, ``asr`` or both joined by a plus; None if it
            reads none.
        transcripts_of_preset: Kind of transcripts that its preset requests.
        context: True if the model also reads the turns around the utterance.
        profile: Name of the encoder profile.
        encoders: The encoders that make its features, by role.
        corpus: Name of the corpus.
        manifest_hash: Version of the corpus.
        split_params: Task, protocol, development data, seed and so on of the splits.
        origin: The source of a user's preset; None for a paper's own row.
        git_commit: Commit of the code, followed by ``-dirty`` if files differ; empty outside a checkout.
    """

    fingerprint: str
    model: str
    preset: str
    fold: int
    seed: int
    config: dict[str, Any]
    taxonomy: str
    classes: tuple[str, ...]
    selection: Selection
    recipes: tuple[Recipe, ...]
    regime: Regime
    standardized: bool
    training: TrainingParams
    transcripts: str | None
    transcripts_of_preset: str | None
    context: bool
    profile: str
    encoders: dict[Role, RecordedEncoder]
    corpus: str
    manifest_hash: str
    split_id: str
    split_params: SplitParams
    data_md5: DataMd5
    origin: Origin | None
    git_commit: str
    environment: Environment

    @field_validator("split_params", mode="before")
    @classmethod
    def _from_before_tasks(cls, given: object) -> object:
        return SplitParams.of_record(given) if isinstance(given, Mapping) else given

    @property
    def task(self) -> Task:
        """The task that the model learns."""
        return task_of(self.split_params.named_task, classes=self.classes)

    @property
    def variant(self) -> str:
        """``model:preset``."""
        return f"{self.model}:{self.preset}"

    @property
    def fold_id(self) -> FoldId:
        """Variant, fold and seed; as text ``model:preset:fold``."""
        return FoldId(self.variant, self.fold, self.seed)

    @property
    def protocol(self) -> Protocol:
        """Protocol that chose the test data."""
        return self.split_params.named_protocol

    @property
    def development_data(self) -> DevelopmentData:
        """Kind of utterances that were held out from training as development data."""
        return "official" if self.selection.data == "official" else self.split_params.development

    @property
    def promotable(self) -> bool:
        """True if the epoch is chosen without test data, so that the model may go to the registry."""
        return self.selection.promotable

    @property
    def stages(self) -> tuple[Policy, ...]:
        """Encoder policies of the trained stages."""
        return self.regime.ran

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that the model reads."""
        return tuple(sorted({MODALITY_OF[role] for role in self.encoders}))

    @property
    def encoder_keys(self) -> dict[Role, str]:
        """Keys in the feature store, by role."""
        return {role: encoder.key for role, encoder in self.encoders.items()}

    @property
    def encoder_specs(self) -> dict[Role, EncoderSpec]:
        """Names, revisions and settings of the encoders, by role."""
        return {role: encoder.spec for role, encoder in self.encoders.items()}

    @property
    def encoders_digest(self) -> str:
        """Digest of the weights and settings of all encoders, wherever they came from and whatever they are called."""
        return digest({role: encoder.spec.facts for role, encoder in sorted(self.encoders.items())})

    @property
    def encoder_citations(self) -> dict[Role, str]:
        """Model, revision and layers of each encoder, by role."""
        return {role: encoder.spec.citation for role, encoder in self.encoders.items()}

    @property
    def has_paper_encoders(self) -> bool:
        """True if every encoder is exactly the one that the paper names."""
        return all(encoder.of_paper for encoder in self.encoders.values())

    @property
    def recipe_settings(self) -> dict[str, Any]:
        """The recipe, or one per stage if there are several."""
        stages = [recipe.model_dump() for recipe in self.recipes]
        return stages[0] if len(stages) == 1 else {f"stage {n}": stage for n, stage in enumerate(stages, start=1)}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings for people who compare runs."""
        return {
            "recipe": self.recipe_settings,
            "config": self.config,
            "training": self.training.model_dump(),
            "profile": self.profile,
            "encoders": self.encoder_citations,
            "transcripts": self.transcripts,
        }

    @property
    def stamp(self) -> str:
        """Digest stored with the weights, to recognize weights of another record."""
        facts = self.model_dump(mode="json", include=set(PlannedFold.model_fields))
        return digest({**facts, "split_params": self.split_params.deciding()})
