"""Transcripts of the recordings in a manifest."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Output

from merflow.components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def transcribe(
    request: str,
    manifest: Input[Dataset],
    transcribed: Output[Dataset],
    summary: Output[Markdown],
    report: Output[Artifact],
    set_aside: Output[Dataset],
) -> None:
    """Fill `asr_transcript`, or pass the manifest on unchanged; recordings that cannot be decoded are set aside."""
    from merflow.jobs import steps

    steps.transcribe(
        request,
        manifest=manifest.path,
        transcribed=transcribed.path,
        summary=summary.path,
        report=report.path,
        set_aside=set_aside.path,
    )
