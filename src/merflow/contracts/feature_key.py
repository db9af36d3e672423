"""The key of stored features: every choice that affects a stored number, except the recording or text itself.

The feature store names a folder after the key's digest and writes the key into the folder's ``meta.json``.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import StreamShape, Transcript
from merflow.contracts.strict import Strict
from merflow.errors import FeatureError
from merflow.storage.local import digest, write_json


class FeatureKey(Strict):
    """One encoder, applied to one cut of the recordings.

    Neighbouring turns are not part of the key, because they are only added when batches are made.

    Attributes:
        encoder: The encoder and its settings.
        encoder_version: Version of the encoder's code.
        extraction_version: Version of the code that cuts, pools and rounds.
        dtype: Type of the stored numbers.
        clip_s: Seconds of a recording that are encoded; None for all of it.
        skip_silence: True if the clip starts at the first voiced sample.
        pooled: True if an entry is the mean over an utterance's steps.
        transcript: The kind of transcripts that is encoded, if the encoder reads text.
    """

    encoder: EncoderSpec
    encoder_version: int
    extraction_version: int
    dtype: str
    clip_s: float | None
    skip_silence: bool
    pooled: bool
    transcript: Transcript = "truth"

    @property
    def facts(self) -> dict[str, Any]:
        """The choices that affect a number, as JSON values.

        Reference transcripts are left out, as in keys from before ASR transcripts were supported.
        """
        facts = self.model_dump()
        facts["encoder"] = self.encoder.facts
        if self.transcript == "truth":
            del facts["transcript"]
        return facts

    @property
    def digest(self) -> str:
        """16 hexadecimal digits; equal digests mean equal numbers for equal inputs."""
        return digest(self.facts)


def write_feature_key(path: Path, key: FeatureKey, *, shape: StreamShape) -> None:
    """Write the key, and the shape of its entries, as JSON.

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    write_json(path, key.model_dump(exclude={"encoder": {"folder"}}) | {"layers": shape.layers, "width": shape.width})


def read_feature_key(path: Path) -> tuple[FeatureKey, StreamShape]:
    """Read the key, and the shape of its entries, from a file that :func:`write_feature_key` wrote.

    Raises:
        FeatureError: The file does not hold a key.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        shape = StreamShape(layers=facts.pop("layers"), width=facts.pop("width"))
        return FeatureKey.model_validate(facts), shape
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = _first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise FeatureError(
            f"{path} is corrupt ({reason}); delete it and run `merflow features extract` again"
        ) from error


def _first_problem(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"
