"""Models that cannot be exported, with the reasons."""

from collections.abc import Mapping, Sequence

from merflow.contracts.presets import EncoderSpec
from merflow.contracts.streams import MODALITY_OF, Role, Stream
from merflow.errors import ExportError
from merflow.exporting.words_input import WordsInput
from merflow.features.encoders.builders import build_preparer
from merflow.features.encoders.huggingface.processors import SpeechPreparer
from merflow.inference.ensemble import Ensemble


def check_exportable(ensemble: Ensemble, *, name: str) -> None:
    """Raise if a model cannot be exported.

    Args:
        ensemble: The model.
        name: Its name, for the error.

    Raises:
        ExportError: It cannot be exported; the error names every reason.
    """
    member = ensemble.members[0]
    reasons = reasons_against(member.encoders.specs, streams=member.encoders.streams)
    if reasons:
        raise ExportError(
            f"{name} cannot be exported to ONNX: {'; '.join(reasons)}. docs/exporting.md lists the models and encoders "
            "that can be"
        )


def reasons_against(specs: Mapping[Role, EncoderSpec], *, streams: Sequence[Stream]) -> list[str]:
    """Return the reasons why a model with these encoders cannot be exported; empty if it can be."""
    reasons = [reason for role, spec in specs.items() if (reason := _reason(role, spec, streams))]
    return list(dict.fromkeys(reasons))


def remarks_on(ensemble: Ensemble) -> tuple[str, ...]:
    """Return remarks about what the exported model, unlike the model, does not do."""
    reach = ensemble.reach
    if not reach:
        return ()
    return (
        f"It reads one clip. The model also reads up to {reach} turns of dialogue on either side where they are known; "
        "the exported one predicts every clip without them.",
    )


def _reason(role: Role, spec: EncoderSpec, streams: Sequence[Stream]) -> str:
    """Return the reason why an encoder cannot be part of a graph; empty if it can be."""
    stream = next(each for each in streams if each.role == role)
    if MODALITY_OF[role] == "video":
        return "it reads video, which neither ONNX Runtime nor NumPy decodes"
    if MODALITY_OF[role] == "text":
        try:
            WordsInput(spec, stream)
        except ExportError as error:
            return str(error)
    elif spec.name == "audio" and not isinstance(build_preparer(spec, stream), SpeechPreparer):
        return f"{spec.label} reads the output of a feature extractor outside the model, not the samples"
    return ""
