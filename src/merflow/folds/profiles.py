"""The encoder profile of a run, checked against the encoders that exist."""

from merflow.contracts.presets import EncoderProfile
from merflow.contracts.streams import Stream
from merflow.errors import FeatureError, ParamsError, PresetError
from merflow.features.encoders.builders import check_encoder
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
