"""Recordings of a manifest into text."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, packages_to_install=[], install_kfp_package=False)
def transcribe(
    manifest: Input[Dataset],
    asr: bool,
    workspace: str,
    transcription_params: str,
    corpus_params: str,
    code: str,
    data: str,
    recogniser: str,
    transcribed: Output[Dataset],
    summary: Output[Markdown],
    report: Output[Artifact],
    set_aside: Output[Dataset],
) -> None:
    """Fills ``asr_transcript``, or hands the manifest on; recordings that cannot be decoded are set aside."""
    from merflow.jobs import steps

    steps.transcribe(
        manifest=manifest.path,
        asr=asr,
        workspace=workspace,
        params=transcription_params,
        corpus_params=corpus_params,
        transcribed=transcribed.path,
        summary=summary.path,
        report=report.path,
        set_aside=set_aside.path,
    )
