"""Everything that one fold of one variant stands on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

from merflow.contracts.params import TrainingParams
from merflow.contracts.presets import EncoderSpec, Preset, Profile, UserPresets
from merflow.contracts.protocols import Part
from merflow.contracts.recipe import Recipe
from merflow.contracts.streams import EncoderPart, Role, Stream, StreamShape
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.splitting.splits import Splits, ids, read_splits
from merflow.errors import FeatureError, SplitError
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.batches.standardize import Standardizer
from merflow.features.encoders.catalogue import encoder_key, spec_of
from merflow.features.encoders.huggingface.networks import PARTS
from merflow.features.extraction.transcripts import Readings, reading, transcript_of, with_other_words
from merflow.folds.presets import model_code
from merflow.inference.devices import device_of
from merflow.models import MODELS, ModelConfig
from merflow.models.folder import ModelCard
from merflow.presets import catalogue
from merflow.runs.code_closure import code_digest
from merflow.runs.fold_ids import FoldId, parse_fold_id
from merflow.runs.provenance import git_commit, merflow_version
from merflow.storage.local import digest, file_md5

_MONITORED = {"dev_loss": "lowest loss", "dev_ua": "highest UA"}
_DEVELOPMENT = {
    "speaker": "one training speaker",
    "session": "one training session",
    "random": "a share of the training dialogues",
}


@dataclass(frozen=True, eq=False)
class FoldInputs:
    """Data, variant and settings of one fold.

    Attributes:
        profile: The encoders that made the features, with the revisions that were read.
        transcripts: Whose words were read in place of those that a preset asks for.
        both_words: Whether the other kind of words has features too.
        data_md5: Of the files of the manifest and the splits.
    """

    preset: Preset
    fold: int
    seed: int
    manifest: Manifest
    splits: Splits
    store: Path
    profile_name: str
    profile: Profile
    transcripts: Readings
    both_words: bool
    params: TrainingParams
    data_md5: Mapping[str, str]

    @classmethod
    def read(
        cls,
        item: str,
        *,
        manifest: Path,
        splits: Path,
        features: Path,
        params: TrainingParams,
        user_presets: UserPresets | None = None,
    ) -> "FoldInputs":
        """The inputs of ``model:preset:fold``, or ``model:preset:fold:seed``, from the files of earlier jobs.

        Raises:
            PresetError: The item names no variant and fold.
            SplitError: The splits are of another manifest, or have no such fold.
            FeatureError: ``features`` is missing, of another manifest, or of variants that read other inputs.
        """
        named = parse_fold_id(item)
        found, folded = read_manifest(manifest), read_splits(splits)
        if folded.manifest_hash != found.hash:
            raise SplitError(
                f"{splits} were made from manifest {folded.manifest_hash}, {manifest} is {found.hash}; "
                "split this manifest anew (merflow data split)"
            )
        known = sorted(set(folded.rows["fold"].astype(int)))
        if named.fold not in known:
            raise SplitError(f"{splits} have no fold {named.fold}; they have {known}")
        stored = _read_features(features, manifest_hash=found.hash)
        inputs = cls(
            preset=catalogue.fitted(catalogue.preset(named.variant, user_presets), stored["profile"]),
            fold=named.fold,
            seed=named.seed,
            manifest=found,
            splits=folded,
            store=Path(stored["store"]),
            profile_name=stored["profile"],
            profile={slot: EncoderSpec(**spec) for slot, spec in stored["encoders"].items()},
            transcripts=stored["transcripts"],
            both_words=stored["both_words"],
            params=params,
            data_md5={"manifest": file_md5(manifest), "splits": file_md5(splits)},
        )
        inputs._check_features(features)
        return inputs

    def _check_features(self, path: Path) -> None:
        """Refuses features that were extracted for variants that read other inputs than this one."""
        variant = self.preset.variant
        for stream in self.streams:
            try:
                spec_of(stream, self.profile)
            except FeatureError as error:
                raise FeatureError(
                    f"{path} was extracted for other variants: it has {', '.join(self.profile)}, and {variant} also "
                    f"reads {stream.slot}; extract with --models {variant}: merflow features extract MANIFEST "
                    f"--models {variant} --store {self.store} --out FEATURES.json"
                ) from error

    @property
    def item(self) -> str:
        """``model:preset:fold``, with the seed behind it where it is not 0."""
        return str(FoldId(self.preset.variant, self.fold, self.seed))

    @property
    def classes(self) -> tuple[str, ...]:
        """Emotion classes in the order of the logits."""
        return taxonomy(self.manifest.taxonomy).classes

    @cached_property
    def config(self) -> ModelConfig:
        """The model's config."""
        where = f"{self.preset.variant}, config on profile {self.profile_name}"
        return MODELS[self.preset.model].configure(self.preset.config, where=where)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """What the model reads: what it asks for, with the words that were there."""
        return reading(self.config.streams(), self.transcripts)

    @property
    def streams_with_other_words(self) -> tuple[Stream, ...] | None:
        """What the model reads, with the other kind of words; None where it reads none, or the corpus has one kind."""
        if self.transcript is None or not self.both_words:
            return None
        return with_other_words(self.streams)

    @property
    def transcript(self) -> str | None:
        """Whose words the model reads, None where it reads none."""
        return transcript_of(self.streams)

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """The stages that are trained: those of the preset before the first whose encoders the profile cannot train.

        Where that is the first, the model is trained by its recipe on stored features.
        """
        first = self.preset.recipe
        found = tuple(takewhile(self._can_learn, self.preset.recipes))
        return found or (first.model_copy(update={"policy": "frozen", "encoders": {}}),)

    @property
    def stages(self) -> tuple[str, ...]:
        """The policies of the stages that are trained."""
        return tuple(recipe.policy for recipe in self.recipes)

    def learning(self, recipe: Recipe) -> dict[Role, EncoderPart]:
        """What of the encoders learns in a stage, of the roles that this preset reads."""
        return {stream.role: recipe.encoders[stream.role] for stream in self.streams if stream.role in recipe.encoders}

    def _can_learn(self, recipe: Recipe) -> bool:
        if recipe.policy == "frozen":
            return True
        learning = self.learning(recipe)
        specs = [spec_of(stream, self.profile) for stream in self.streams if stream.role in learning]
        return bool(specs) and all(spec.name in PARTS for spec in specs)

    @property
    def selection(self) -> str:
        """How the epoch is chosen, in words."""
        figure = _MONITORED[self.recipes[-1].monitor]
        return f"{figure} of {_DEVELOPMENT[self.splits.development]}"

    @property
    def settings(self) -> dict[str, Any]:
        """What can be set and was, for people who compare runs."""
        return {
            "recipe": self._recipe_settings,
            "config": self.preset.config,
            "training": self.params.model_dump(),
            "profile": self.profile_name,
            "transcripts": self.transcript,
        }

    @property
    def _recipe_settings(self) -> dict[str, Any]:
        """The recipe, or one by stage where there are several."""
        stages = [recipe.model_dump() for recipe in self.recipes]
        return stages[0] if len(stages) == 1 else {f"stage {n}": stage for n, stage in enumerate(stages, start=1)}

    @cached_property
    def git_commit(self) -> str:
        """Of the code that trains."""
        return git_commit()

    @property
    def encoder_keys(self) -> dict[Role, str]:
        """Role -> key in the store."""
        return {stream.role: encoder_key(spec_of(stream, self.profile), stream) for stream in self.streams}

    @property
    def labels(self) -> dict[str, str]:
        """utterance_id -> emotion."""
        rows = self.manifest.rows
        return dict(zip(rows["utterance_id"], rows["emotion"], strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that decides the result: equal fingerprints are equal folds."""
        return digest(
            {
                "item": self.item,
                "config": self.preset.config,
                "recipes": [recipe.model_dump() for recipe in self.recipes],
                "split_id": self.splits.split_id,
                "manifest": self.manifest.hash,
                "encoders": self.encoder_keys,
                "training": {
                    **self.params.model_dump(exclude={"resident_gib", "resident_on"}),
                    "device": device_of(self.params).type,
                },
                "code": [code_digest("train"), model_code(self.preset.model)],
            }
        )

    def dataset(
        self, part: Part, *, standardizer: Standardizer | None = None, streams: Sequence[Stream] | None = None
    ) -> FeatureDataset:
        """The utterances of one part of the fold, with what the model reads or the given streams of the same roles."""
        return FeatureDataset(
            self.manifest,
            ids(self.splits, fold=self.fold, part=part),
            streams=streams or self.streams,
            profile=self.profile,
            store=self.store,
            standardizer=standardizer,
            resident_bytes=round(self.params.resident_gib * 2**30),
            resident_on=device_of(self.params) if self.params.resident_on == "device" else None,
        )

    def raw_dataset(
        self, part: Part, recipe: Recipe, *, standardizer: Standardizer, streams: Sequence[Stream] | None = None
    ) -> RawDataset:
        """As :meth:`dataset`, before the encoders that learn in a stage."""
        return RawDataset(
            self.manifest,
            ids(self.splits, fold=self.fold, part=part),
            streams=streams or self.streams,
            learning=self.learning(recipe),
            profile=self.profile,
            store=self.store,
            standardizer=standardizer,
            micro_batch=recipe.micro_batch,
            resident_bytes=round(self.params.resident_gib * 2**30),
        )

    def card(self, *, shapes: Mapping[Role, StreamShape]) -> ModelCard:
        """The record that goes into the model folder."""
        return ModelCard(
            model=self.preset.model,
            preset=self.preset.name,
            config=self.preset.config,
            shapes=dict(shapes),
            taxonomy=self.manifest.taxonomy,
            classes=self.classes,
            profile={
                stream.role: spec_of(stream, self.profile).model_copy(update={"folder": None})
                for stream in self.streams
            },
            encoder_keys=self.encoder_keys,
            transcripts=self.transcript,
            corpus=self.manifest.corpus,
            manifest_hash=self.manifest.hash,
            split_id=self.splits.split_id,
            split_params=self.splits.params.model_dump(),
            data_md5=dict(self.data_md5),
            fold=self.fold,
            seed=self.seed,
            git_commit=self.git_commit,
            merflow_version=merflow_version(),
            recipe=self._recipe_settings,
            params=self.params.model_dump(),
            selection=self.selection,
            stages=self.stages,
            origin=self.preset.origin,
        )


def _read_features(path: Path, *, manifest_hash: str) -> dict[str, Any]:
    if not path.is_file():
        raise FeatureError(f"no such file: {path}; extract the features first (merflow features extract)")
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found, *_ = (stored[key] for key in ("manifest_hash", "encoders", "transcripts", "both_words"))
    except (ValueError, TypeError, KeyError) as error:
        raise FeatureError(f"{path} is not what `merflow features extract` wrote ({error}); extract again") from error
    if found != manifest_hash:
        raise FeatureError(f"{path} is of manifest {found}, not {manifest_hash}; extract this manifest's features")
    return stored
