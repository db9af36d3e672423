"""The utterances of one fold, part by part, as its stages read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from merflow.contracts.protocols import Part
from merflow.contracts.recipe import Recipe
from merflow.contracts.sources import UtteranceSource
from merflow.contracts.streams import Role, Stream, StreamShape
from merflow.features.batches.dataset import FeatureDataset
from merflow.features.batches.standardize import Standardizer
from merflow.folds.inputs import FoldInputs


@dataclass(frozen=True, eq=False)
class FoldSources:
    """Opens a part when it is asked for, and stored features once.

    They serve any preset that reads the same streams: what is tuned is what is learned from them.
    """

    inputs: FoldInputs
    _stored: dict[Part, FeatureDataset] = field(default_factory=dict)

    @cached_property
    def standardizer(self) -> Standardizer:
        """Of the training part."""
        return self.inputs.dataset("train").fit_standardizer()

    @cached_property
    def shapes(self) -> Mapping[Role, StreamShape]:
        """Sizes of the streams."""
        return self.inputs.dataset("train").shapes

    def of(self, recipe: Recipe, part: Part, *, streams: Sequence[Stream] | None = None) -> UtteranceSource:
        """The utterances of a part: stored features, or what encoders that learn are called on.

        ``streams`` are read in place of the fold's own, by nobody else.
        """
        if recipe.policy != "frozen":
            self._stored.clear()  # no later stage reads them, and they may be large
            return self.inputs.raw_dataset(part, recipe, standardizer=self.standardizer, streams=streams)
        if streams is not None:
            return self.inputs.dataset(part, standardizer=self.standardizer, streams=streams)
        if part not in self._stored:
            self._stored[part] = self.inputs.dataset(part, standardizer=self.standardizer)
        return self._stored[part]
