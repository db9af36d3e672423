"""The streams that the models of presets request, and a check that their encoders are available."""

from collections.abc import Sequence

from merflow.contracts.presets import EncoderProfile, Preset
from merflow.contracts.streams import Stream
from merflow.features.encoders.huggingface.checkpoints import check_local
from merflow.models import MODELS


def check_encoders(profile: EncoderProfile, *, presets: Sequence[Preset], encoders_folder: str) -> None:
    """Check, without the network, that the encoders that these presets read are available.

    Raises:
        FeatureError: The profile lacks an encoder, or a folder is missing or incomplete; every problem is named.
    """
    check_local(profile.roles, streams=streams_of_all(presets), encoders_folder=encoders_folder)


def streams_of_all(presets: Sequence[Preset]) -> tuple[Stream, ...]:
    """Return the streams that the presets' models request, each once."""
    configs = [MODELS[preset.model].configure(preset.config) for preset in presets]
    return tuple(dict.fromkeys(stream for config in configs for stream in config.streams()))
