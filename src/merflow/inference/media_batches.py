"""Recordings, video and text as the batch that a trained model reads; needs neither a manifest nor a feature store.

The steps are the same as in extraction and training, and use the same code: read, cut, prepare, encode, round to the
store's precision, standardize with the model's own statistics, pad. Inputs of fine-tuned encoders are only prepared;
the model's graph encodes them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from merflow.contracts.batch import Batch, RawBatch
from merflow.contracts.presets import EncoderSpec, Profile, spec_of
from merflow.contracts.streams import MODALITY_OF, Modality, Role, Stream
from merflow.errors import FeatureError
from merflow.features.batches.standardize import Scale, Standardizer
from merflow.features.encoders.builders import batch_cost
from merflow.features.encoders.precomputed import is_precomputed
from merflow.inference.media_clips import Clip
from merflow.inference.media_streams import FineTunedStream, FrozenStream, RefusedInput
from merflow.inference.shared_encoders import SharedEncoders


class MediaEncoders:
    """The encoders of a trained model, loaded once for any number of batches.

    Args:
        streams: The streams that the model reads.
        profile: The encoders that it was trained with; located (``features.encoders.huggingface.checkpoints``).
        standardizer: The statistics that it was trained with; None if it reads unstandardized features.
        learning: Roles with fine-tuned encoders. They run in the model's graph, and batches are raw.
        device: Device of the other encoders: ``cpu``, ``cuda``, or ``auto`` for a GPU if there is one.
        cost: Modality -> highest cost of an encoder's padded batch. By default an encoder takes one input at a time, so
            that a clip's features do not depend on the other clips in the batch, even in the last bits.
        micro_batch: Number of recordings, texts, windows or pictures of the longest kind that an encoder in the graph
            processes at once; None for a whole batch.
        shared: Encoders shared with other models; None for this model alone.

    Raises:
        FeatureError: An encoder is missing from the profile or cannot be loaded, or the statistics do not fit it; or
            the model reads features that came with a corpus.
        ParamsError: The settings of an encoder are wrong.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        *,
        profile: Profile,
        standardizer: Standardizer | None,
        learning: Collection[Role] = (),
        device: str = "auto",
        cost: Mapping[Modality, int] | None = None,
        micro_batch: int | None = None,
        shared: SharedEncoders | None = None,
    ) -> None:
        self._encoded: list[FrozenStream] = []
        self._raw: list[FineTunedStream] = []
        for stream in streams:
            spec = spec_of(stream, profile)
            if is_precomputed(spec):
                raise FeatureError(
                    f"role {stream.role!r} reads features that came with its corpus ({spec.citation}); nothing can "
                    "compute them from recordings, so train on encoders that merflow runs (features.profile=lite)"
                )
            if stream.role in learning:
                self._raw.append(FineTunedStream(stream, spec, micro_batch=micro_batch))
            else:
                most = batch_cost(spec, device=device, most=(cost or {}).get(MODALITY_OF[stream.role], 1))
                self._encoded.append(FrozenStream(stream, spec, standardizer, device=device, most=most, shared=shared))
        self._streams = tuple(streams)

    @property
    def reach(self) -> int:
        """Number of turns before and after a clip that the model reads."""
        return max(stream.neighbours for stream in self._streams)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that the model reads."""
        return self._streams

    @property
    def specs(self) -> dict[Role, EncoderSpec]:
        """Role -> its encoder, located on this machine."""
        return {each.role: each.spec for each in (*self._encoded, *self._raw)}

    @property
    def scales(self) -> dict[Role, Scale]:
        """Role -> the scale of its features, for frozen encoders of a model that standardizes."""
        return {each.role: each.scale for each in self._encoded if each.scale is not None}

    def batch(
        self, clips: Sequence[Clip], *, refused: Callable[[RefusedInput], None] | None = None
    ) -> Batch | RawBatch:
        """Return the clips as one batch without labels, on the CPU, padded to the longest of each role.

        If a clip lacks a modality, its mask is False.

        Args:
            clips: One or more clips.
            refused: Called with each input that cannot be read or encoded, which is then masked as in extraction. If
                None, such an input is an error.

        Raises:
            FeatureError: There is no clip, a clip has no input that the model reads, or an input cannot be read or
                encoded and ``refused`` is None.
        """
        self._check(clips)
        return self._batch(clips, self._encoded, self._raw, refused or _raise)

    def part(
        self, clips: Sequence[Clip], modality: Modality, *, refused: Callable[[RefusedInput], None] | None = None
    ) -> Batch | RawBatch:
        """Return only the roles of one modality, for insertion into a batch of the same clips; see :meth:`batch`.

        Clips may lack the modality.
        """
        encoded = [stream for stream in self._encoded if MODALITY_OF[stream.role] == modality]
        raw = [stream for stream in self._raw if MODALITY_OF[stream.role] == modality]
        return self._batch(clips, encoded, raw, refused or _raise)

    def _batch(
        self,
        clips: Sequence[Clip],
        encoded: Sequence[FrozenStream],
        raw: Sequence[FineTunedStream],
        refused: Callable[[RefusedInput], None],
    ) -> Batch | RawBatch:
        stored = {stream.role: stream.features(clips, refused) for stream in encoded}
        batch = Batch(
            features={role: values for role, (values, _) in stored.items()},
            present={role: mask for role, (_, mask) in stored.items()},
            labels=None,
            utterance_ids=tuple(clip.clip_id for clip in clips),
        )
        return RawBatch({stream.role: stream.inputs(clips, refused) for stream in raw}, batch) if raw else batch

    def _check(self, clips: Sequence[Clip]) -> None:
        if not clips:
            raise FeatureError("no clips to make a batch of; pass at least one")
        modalities = sorted({MODALITY_OF[stream.role] for stream in self._streams})
        for clip in clips:
            if not any(clip.has(modality) for modality in modalities):
                raise FeatureError(f"clip {clip.clip_id!r} has no {' or '.join(modalities)}, which the model reads")


def _raise(refused: RefusedInput) -> None:
    raise FeatureError(f"clip {refused.clip_id!r}, role {refused.role!r}: {refused.reason}")
