"""The encoder profile of a run, checked against the encoders that exist and the models that read it."""

from collections.abc import Sequence

from merflow.contracts.presets import EncoderProfile, Preset
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError, ParamsError, PresetError
from merflow.features.encoders.builders import check_encoder
from merflow.features.encoders.huggingface.checkpoints import check_local
from merflow.models import MODELS
from merflow.presets.profiles import parse_profile, read_profile


def profile_of(profile: str, *, text: str = "") -> EncoderProfile:
    """Return a profile whose encoders exist and have valid settings.

    Args:
        profile: ``features.profile``, a name or a file.
        text: Text of the user's profile if its file is not on this machine; empty to read the file.

    Raises:
        PresetError: There is no such profile, or it is wrong; every problem is named.
    """
    where = "profile" if text.strip() else profile
    read = parse_profile(text, name="profile", where=where) if text.strip() else read_profile(profile)
    problems = []
    for slot, spec in read.roles.items():
        try:
            check_encoder(spec, Stream(slot.partition("/")[0]))  # type: ignore[arg-type] # a role, as the reader has checked
        except (FeatureError, ParamsError) as error:
            problems.append(f"roles.{slot}: {error}".replace("\n", "\n  "))
    if problems:
        raise PresetError("\n  ".join([f"{where}: {len(problems)} problem(s)", *problems]))
    return read


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
