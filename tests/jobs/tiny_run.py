"""The settings of a run on the tiny synthetic release, as a pipeline gets them."""

from merflow.jobs.run_settings import RunSettings

SETTINGS = RunSettings(
    models=["mfdr:gru"],
    corpus="synthetic",
    root="",
    size="tiny",
    workspace="/workspace",
    name="tiny",
    quarantine=False,
    transcribe=False,
    presets="",
    profile="",
    params="",
    digests="",
)
