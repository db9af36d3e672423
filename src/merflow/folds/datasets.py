"""The datasets of one fold, part by part, as its stages read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from merflow.contracts.protocols import Part
from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.raw_dataset import RawDataset
from merflow.features.batches.standardize import Standardizer
from merflow.folds.inputs import FoldInputs
from merflow.inference.devices import device_of


@dataclass(frozen=True, eq=False)
class FoldDatasets:
    """Datasets of a fold, opened when they are needed; stored features are opened once.

    They serve every preset that reads the same streams as the fold's: tuning changes the training, not the data.
    """

    inputs: FoldInputs
    _stored: dict[Part, FeatureDataset] = field(default_factory=dict)

    @cached_property
    def standardizer(self) -> Standardizer | None:
        """Mean and standard deviation of the training part; None if the profile does not standardize features."""
        return stored_dataset(self.inputs, "train").fit_standardizer() if self.inputs.standardized else None

    @cached_property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Sizes of the streams."""
        return stored_dataset(self.inputs, "train").shapes

    def part(self, name: Part, recipe: Recipe, *, streams: Sequence[Stream] | None = None) -> UtteranceSource:
        """Open a part for a stage: stored features, or the inputs of fine-tuned encoders.

        Args:
            name: The part.
            recipe: The stage's.
            streams: Streams of the same roles to read instead of the fold's own; such a dataset is not kept.
        """
        if recipe.policy != "frozen":
            self._stored.clear()  # no later stage reads them, and they may be large
            return raw_dataset(self.inputs, name, recipe, standardizer=self.standardizer, streams=streams)
        if streams is not None:
            return stored_dataset(self.inputs, name, standardizer=self.standardizer, streams=streams)
        if name not in self._stored:
            self._stored[name] = stored_dataset(self.inputs, name, standardizer=self.standardizer)
        return self._stored[name]


def stored_dataset(
    inputs: FoldInputs, part: Part, *, standardizer: Standardizer | None = None, streams: Sequence[Stream] | None = None
) -> FeatureDataset:
    """Open the stored features of one part, of the streams that the model reads or of others of the same roles."""
    params = inputs.params
    return FeatureDataset(
        inputs.manifest,
        inputs.utterances(part),
        streams=streams or inputs.streams,
        profile=inputs.profile,
        store=inputs.store,
        task=inputs.task,
        standardizer=standardizer,
        resident_bytes=round(params.resident_gib * 2**30),
        resident_on=device_of(params) if params.resident_on == "device" else None,
    )


def raw_dataset(
    inputs: FoldInputs,
    part: Part,
    recipe: Recipe,
    *,
    standardizer: Standardizer | None,
    streams: Sequence[Stream] | None = None,
) -> RawDataset:
    """Open one part as inputs of the encoders that a stage fine-tunes; see :func:`stored_dataset`."""
    return RawDataset(
        inputs.manifest,
        inputs.utterances(part),
        streams=streams or inputs.streams,
        learning=inputs.learning(recipe),
        profile=inputs.profile,
        store=inputs.store,
        task=inputs.task,
        standardizer=standardizer,
        micro_batch=recipe.micro_batch,
        resident_bytes=round(inputs.params.resident_gib * 2**30),
    )
