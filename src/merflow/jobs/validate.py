"""A manifest and its media against their expectations."""

from pathlib import Path

from merflow.contracts.errors import ValidationFailedError
from merflow.contracts.files import output_errors, replacing
from merflow.contracts.params import CorpusParams
from merflow.corpus import expectations
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.validation_summary import write_summary
from merflow.jobs.progress import Progress, plain_lines, say


def validate(
    manifest: Path,
    *,
    out: Path,
    summary: Path,
    docs: Path,
    params: CorpusParams,
    quarantine: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Checks a manifest and writes the rows that may be used to ``out``.

    Args:
        manifest: The manifest to check.
        out: The validated manifest: all rows, or with ``quarantine`` the good ones.
        summary: One HTML page with the verdict.
        docs: Folder of the Great Expectations Data Docs.
        params: Taxonomy and bounds of a good recording.
        quarantine: CSV for the bad rows and their reasons; without it, any problem fails the job.
        progress: Told of measured recordings.

    Raises:
        ValidationFailedError: With a list of what is wrong.
    """
    found = read_manifest(manifest)
    outcome = expectations.validate(found, params=params, docs=docs, progress=progress or plain_lines())
    write_summary(outcome, summary)
    if outcome.success:
        write_manifest(found, out)
        say(f"validate: {len(found.rows)} utterances meet every expectation; {summary}")
        return out
    if quarantine is None or outcome.corpus_problems:
        remedy = (
            "mend the corpus, or set the bad utterances aside with --quarantine"
            if quarantine is None
            else "problems of the corpus as a whole cannot be set aside: mend it"
        )
        raise ValidationFailedError(f"{expectations.describe(outcome)}\n{remedy}; all of it is in {summary}")
    good, bad = outcome.quarantine()
    with replacing(quarantine) as part, output_errors(quarantine):
        bad.to_csv(part, index=False)
    write_manifest(good, out)
    say(f"validate: {len(bad)} of {len(found.rows)} utterances set aside in {quarantine}; {summary}")
    return out
