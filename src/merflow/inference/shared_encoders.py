"""Encoders shared by the models of an ensemble: loaded once, and run once per batch."""

from collections.abc import Sequence

import numpy as np

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.features.encoders.builders import build_encoder
from merflow.features.encoders.interface import Encoder
from merflow.inference.media_clips import Clip


class SharedEncoders:
    """Encoders shared by several models, each loaded once and run once per batch.

    The features of a batch are kept for the other models until :meth:`forget` is called.
    """

    def __init__(self) -> None:
        self._encoders: dict[tuple[str, Stream], Encoder] = {}
        self._entries: dict[tuple[str, Stream], tuple[Sequence[Clip], list[np.ndarray]]] = {}

    def encoder(self, spec: EncoderSpec, stream: Stream, *, device: str) -> Encoder:
        """Return the encoder of a stream, loaded on the first call."""
        key = _key(spec, stream)
        if key not in self._encoders:
            self._encoders[key] = build_encoder(spec, stream, device=device)
        return self._encoders[key]

    def known(self, spec: EncoderSpec, stream: Stream, turns: Sequence[Clip]) -> list[np.ndarray] | None:
        """Return the features of exactly these turns; None if they were not computed since the last ``forget``."""
        earlier, entries = self._entries.get(_key(spec, stream), ((), []))
        same = len(earlier) == len(turns) and all(one is other for one, other in zip(earlier, turns, strict=True))
        return entries if same and turns else None

    def keep(self, spec: EncoderSpec, stream: Stream, turns: Sequence[Clip], entries: list[np.ndarray]) -> None:
        """Keep the features of these turns."""
        self._entries[_key(spec, stream)] = turns, entries

    def forget(self) -> None:
        """Drop all features, because files may change before they are read again."""
        self._entries.clear()


def _key(spec: EncoderSpec, stream: Stream) -> tuple[str, Stream]:
    return spec.model_dump_json(), stream
