"""The data, variant and settings that one fold is trained with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from merflow.contracts.extracted_features import ExtractedFeatures, read_extracted_features
from merflow.contracts.fold_id import FoldId, parse_fold_id
from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import Preset, Profile, UserPresets, spec_of
from merflow.contracts.protocols import Part
from merflow.contracts.recipe import Recipe
from merflow.contracts.selection import FIXED_EPOCHS, Selection
from merflow.contracts.streams import EncoderPart, Role, Stream
from merflow.contracts.task import Classification, Task
from merflow.contracts.transcripts import transcripts_of, with_other_transcripts, with_transcripts
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.splitting.splits import Splits, all_in_training, ids, read_splits
from merflow.errors import FeatureError, SplitError
from merflow.features.encoders.huggingface.networks import PARTS
from merflow.features.encoders.keys import feature_key
from merflow.folds.presets import model_code
from merflow.inference.devices import device_of
from merflow.models import MODELS, ModelConfig
from merflow.presets import catalogue
from merflow.presets.profiles import fitted
from merflow.runs.code_closure import code_digest
from merflow.runs.fold_folder import LabelledUtterances
from merflow.storage.local import digest, file_md5


@dataclass(frozen=True, eq=False)
class FoldInputs:
    """Data, variant and settings of one fold.

    Attributes:
        preset: The preset as it is trained: with the profile's sizes and the recipes of the trained stages.
        features: The extracted features, and the encoders that made them.
        data_md5: MD5 of the files ``manifest`` and ``splits``.
        epochs: Number of epochs of each stage of a refit (:meth:`refitted`), whose training part has every utterance;
            None for a fold, whose development part selects the epoch.
    """

    preset: Preset
    fold: int
    seed: int
    manifest: Manifest
    splits: Splits
    features: ExtractedFeatures
    params: TrainingParams
    data_md5: Mapping[str, str]
    epochs: tuple[int, ...] | None = None

    @classmethod
    def read(
        cls,
        fold_id: str,
        *,
        manifest: Path,
        splits: Path,
        features: Path,
        params: TrainingParams,
        user_presets: UserPresets | None = None,
    ) -> "FoldInputs":
        """Read the inputs of ``model:preset:fold``, or ``model:preset:fold:seed``, from the files of earlier jobs.

        Encoders stay frozen if ``training.encoders`` says so, or if one that should be fine-tuned has no weights.

        Raises:
            PresetError: The id names no variant and fold.
            SplitError: The splits are of another manifest, or have no such fold.
            FeatureError: ``features`` is missing, of another manifest, or of variants that read other inputs.
        """
        named = parse_fold_id(fold_id)
        corpus, folded = read_manifest(manifest), read_splits(splits)
        if folded.manifest_hash != corpus.hash:
            raise SplitError(
                f"{splits} were made from manifest {folded.manifest_hash}, {manifest} is {corpus.hash}; "
                "split this manifest again (merflow data split)"
            )
        known = sorted(set(folded.rows["fold"].astype(int)))
        if named.fold not in known:
            raise SplitError(f"{splits} have no fold {named.fold}; they have {known}")
        extracted = read_extracted_features(features)
        if extracted.manifest_hash != corpus.hash:
            raise FeatureError(
                f"{features} is of manifest {extracted.manifest_hash}, not {corpus.hash}; extract this manifest's "
                "features"
            )
        preset, task = catalogue.preset(named.variant, user_presets), folded.task_of(corpus)
        inputs = cls(
            preset=fitted(preset, extracted.profile).for_task(task),
            fold=named.fold,
            seed=named.seed,
            manifest=corpus,
            splits=folded,
            features=extracted,
            params=params,
            data_md5={"manifest": file_md5(manifest), "splits": file_md5(splits)},
        )
        inputs._check_features(features)
        if params.encoders == "as-preset" and inputs._encoders_can_learn():
            return inputs
        return replace(inputs, preset=fitted(preset.on_stored_features(), extracted.profile).for_task(task))

    def _check_features(self, path: Path) -> None:
        """Raise if the features were extracted for variants that read other inputs than this one."""
        variant = self.preset.variant
        for stream in self.streams:
            try:
                spec_of(stream, self.profile)
            except FeatureError as error:
                raise FeatureError(
                    f"{path} was extracted for other variants: it has {_named(self.profile)}, and {variant} also "
                    f"reads {_needed(stream, self.profile)}; extract with --models {variant}: merflow features extract "
                    f"MANIFEST --models {variant} --store {self.store} --out FEATURES.json"
                ) from error

    def _encoders_can_learn(self) -> bool:
        """Return True if all encoders to be fine-tuned in a stage have weights, or if none is fine-tuned."""
        for recipe in self.recipes:
            if recipe.policy == "frozen":
                continue
            learning = self.learning(recipe)
            specs = [spec_of(stream, self.profile) for stream in self.streams if stream.role in learning]
            if not specs or any(spec.name not in PARTS for spec in specs):
                return False
        return True

    @property
    def fold_id(self) -> FoldId:
        """Variant, fold and seed."""
        return FoldId(self.preset.variant, self.fold, self.seed)

    @property
    def profile(self) -> Profile:
        """The encoders that made the features, with the revisions that were read."""
        return self.features.encoders

    @property
    def store(self) -> Path:
        """Root of the feature store."""
        return Path(self.features.store)

    @property
    def classes(self) -> tuple[str, ...]:
        """Emotion classes in the order of the logits; empty for a score."""
        return self.task.classes if isinstance(self.task, Classification) else ()

    @property
    def task(self) -> Task:
        """The task that the splits were made for."""
        return self.splits.task_of(self.manifest)

    @cached_property
    def config(self) -> ModelConfig:
        """The model's config."""
        where = f"{self.preset.variant}, config on profile {self.features.profile.name}"
        return MODELS[self.preset.model].configure(self.preset.config, where=where)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Streams that the model reads, with the kind of transcript that the corpus has."""
        return with_transcripts(self.config.streams(), self.features.transcripts)

    @property
    def streams_with_other_words(self) -> tuple[Stream, ...] | None:
        """The same with the other kind of transcript; None if the model reads no text, or the corpus has one kind."""
        if self.transcript is None or not self.features.has_both_transcripts:
            return None
        return with_other_transcripts(self.streams)

    @property
    def transcript(self) -> str | None:
        """Kind of transcript that the model reads, ``truth`` or ``asr``; None if it reads no text."""
        return transcripts_of(self.streams)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Recipes of the trained stages."""
        return self.preset.recipes

    @property
    def standardized(self) -> bool:
        """True if the model reads features standardized by the statistics of the training part."""
        return self.features.profile.standardize

    def learning(self, recipe: Recipe) -> dict[Role, EncoderPart]:
        """Return the parts of the encoders that are fine-tuned in a stage, for the roles that this preset reads."""
        return {stream.role: recipe.encoders[stream.role] for stream in self.streams if stream.role in recipe.encoders}

    @property
    def selection(self) -> Selection:
        """The rule that selects the epoch: that of the last stage, on the fold's development data."""
        if self.epochs is not None:
            return FIXED_EPOCHS
        return Selection.of(self.recipes[-1].monitor, data=self.splits.development_data)

    @property
    def encoder_keys(self) -> dict[Role, str]:
        """Keys in the feature store, by role."""
        return {stream.role: feature_key(spec_of(stream, self.profile), stream).digest for stream in self.streams}

    def utterances(self, part: Part) -> list[str]:
        """Return the utterance ids of a part, in the order of the splits."""
        return ids(self.splits, fold=self.fold, part=part)

    def labelled(self, part: Part) -> LabelledUtterances:
        """Return the utterances of a part with their emotions or scores, in the order of the splits."""
        rows, names = self.manifest.rows, self.utterances(part)
        labels = dict(zip(rows["utterance_id"], rows[self.task.column], strict=True))
        return LabelledUtterances(names, [labels[utterance] for utterance in names])

    def refitted(self, epochs: Sequence[int]) -> "FoldInputs":
        """Return the inputs of a refit: fold 0, in which the utterances of all parts of all folds are trained on.

        Args:
            epochs: Number of epochs of each stage; a stage with 0 is left out.
        """
        kept = [stage for stage, count in enumerate(epochs) if count]
        changes = self.preset.changes and tuple(self.preset.changes[stage] for stage in kept)
        recipes = tuple(self.recipes[stage] for stage in kept)
        return replace(
            self,
            preset=replace(self.preset, recipes=recipes, changes=changes),
            fold=0,
            splits=all_in_training(self.splits),
            params=self.params.model_copy(update={"shadow_selection": "off", "devices_per_fold": 1}),
            epochs=tuple(epochs[stage] for stage in kept),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that affects the result: equal fingerprints are equal folds."""
        return digest(
            {
                "item": str(self.fold_id),
                "config": self.preset.config,
                "recipes": [recipe.model_dump() for recipe in self.recipes],
                "split_id": self.splits.split_id,
                "manifest": self.manifest.hash,
                "encoders": self.encoder_keys,
                "standardized": self.standardized,
                "training": {
                    **self.params.model_dump(exclude={"resident_gib", "resident_on"}),
                    "device": device_of(self.params).type,
                },
                "code": [code_digest("train"), model_code(self.preset.model)],
                **({} if self.epochs is None else {"epochs": self.epochs}),
            }
        )


def _needed(stream: Stream, profile: Profile) -> str:
    roles = {slot.partition("/")[0] for slot in profile}
    return f"{stream.role} with another encoder" if stream.role in roles else stream.role


def _named(profile: Profile) -> str:
    """Return each role of a profile with the encoder that is actually used, as text."""
    return ", ".join(dict.fromkeys(f"{slot.partition('/')[0]} ({spec.label})" for slot, spec in profile.items()))
