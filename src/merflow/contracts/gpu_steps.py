"""The GPUs that each step of a pipeline uses according to the parameters."""

from merflow.contracts.params import Params
from merflow.contracts.presets import EncoderProfile

# Step -> the section of the parameters with its device.
SECTIONS = {
    "transcribe": "transcription",
    "extract": "features",
    "train": "training",
    "run_trials": "training",
    "package": "training",
}
_ON_CPU = "lite-"  # beginning of the names of encoders that compute on the CPU alone (features/encoders/lite)


def gpus_used(params: Params, *, profile: EncoderProfile, transcribe: bool) -> dict[str, int]:
    """Return the number of GPUs that each step will use, for all steps that may use GPUs.

    Args:
        params: The parameters; a device that is ``auto`` counts as a GPU.
        profile: The encoders that extract.
        transcribe: True if recordings are transcribed.
    """
    networks = any(not spec.name.startswith(_ON_CPU) for spec in profile.roles.values())
    counts = {
        "transcribe": int(transcribe),
        "extract": int(networks),
        "train": params.training.devices_per_fold,
        "run_trials": 1,  # a worker's trials train on one device
        "package": 1,  # a refit trains on one device
    }
    return {step: 0 if device_of_step(step, params) == "cpu" else count for step, count in counts.items()}


def device_of_step(step: str, params: Params) -> str:
    """Return the device that a step is set to compute on."""
    return str(getattr(params, SECTIONS[step]).device)
