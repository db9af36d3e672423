"""The user's own presets and encoder profile, of which a run keeps copies (:mod:`merflow.runs.carried`)."""

from pathlib import Path

from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile
from merflow.presets.profiles import is_file, profile_text, shipped_profiles
from merflow.presets.user_presets import presets_text
from merflow.runs.carried import carry, given_or_carried


def found(params: Params, *, presets: Path | None, out: Path) -> tuple[Params, Path | None]:
    """Return the parameters and the presets file for a run; the run's copies replace files that are missing."""
    profile = params.features.profile
    if is_file(profile):
        file = given_or_carried(Path(profile), out, "profile")
        params = params.model_copy(update={"features": params.features.model_copy(update={"profile": str(file)})})
    return params, presets and given_or_carried(presets, out, "presets")


def carry_along(profile: EncoderProfile, *, presets: Path | None, out: Path) -> None:
    """Copy the user's profile and presets into the run's folder."""
    if profile.name not in shipped_profiles():
        carry(out, "profile", profile_text(profile))
    carry(out, "presets", presets_text(presets))
