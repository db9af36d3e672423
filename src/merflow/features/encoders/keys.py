"""The keys under which the feature store keeps an encoder's output for a stream."""

from merflow.contracts.feature_key import FeatureKey
from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import Stream
from merflow.contracts.strict import parse
from merflow.errors import FeatureError
from merflow.features.encoders.builders import ENCODERS, encoder_entry
from merflow.features.encoders.precomputed import is_precomputed

STORED_DTYPE = "float16"

# Version of everything between a recording and its stored numbers that is not an encoder: cutting, pooling, rounding.
EXTRACTION_VERSION = 1


def feature_key(spec: EncoderSpec, stream: Stream) -> FeatureKey:
    """Return the key of an encoder's output for a stream.

    Raises:
        FeatureError: No encoder has the spec's name, or its weights have not been located yet.
    """
    entry = encoder_entry(spec)
    if entry.revised and spec.digest is None:
        raise FeatureError(
            f"encoder {spec.name!r} of {spec.settings.get('model')} has no digest; locate it first "
            "(features.encoders.huggingface.checkpoints.located)"
        )
    if is_precomputed(spec):
        if spec.digest is None:
            raise FeatureError(
                f"encoder {spec.label!r} is bound to no file of a corpus; bind it first "
                "(features.encoders.precomputed.bound)"
            )
        # Its steps have no times to cut by, and its transcripts were chosen by the file's authors.
        stream = Stream(stream.role, pooled=stream.pooled)
    return FeatureKey(
        encoder=spec.model_copy(update={"folder": None, "settings": _settings(spec)}),
        encoder_version=entry.version,
        extraction_version=EXTRACTION_VERSION,
        dtype=STORED_DTYPE,
        clip_s=stream.clip_s,
        skip_silence=stream.skip_silence,
        pooled=stream.pooled,
        transcript=stream.transcript,
    )


def _settings(spec: EncoderSpec) -> dict[str, int | float | str | bool]:
    """Return the settings of an encoder with weights, including defaults, so that their spelling does not matter."""
    entry = encoder_entry(spec)
    if not entry.revised:
        return spec.settings
    return parse(entry.settings, spec.settings, where=f"settings of encoder {spec.name!r}").model_dump()


def why_unreadable(key: FeatureKey) -> str | None:
    """Return the reason why this version of merflow never reads the features of a key; None if it does."""
    entry = ENCODERS.get(key.encoder.name)
    if entry is None:
        return f"this version of merflow has no encoder {key.encoder.name!r}"
    if (key.encoder_version, key.extraction_version) != (entry.version, EXTRACTION_VERSION):
        return "made by another version of the extraction code, so it is never read again"
    return None
