"""Validate a manifest and its media."""

from pathlib import Path

from merflow.contracts.params import CorpusParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.manifest import failure_beside, read_manifest, write_manifest
from merflow.corpus.validation import expectations
from merflow.corpus.validation.confounds import side_in_words
from merflow.corpus.validation.outcome import ValidationOutcome, describe
from merflow.corpus.validation.summary import write_summary
from merflow.errors import ValidationFailedError
from merflow.storage.local import replacing


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
    """Check a manifest, and write the rows that may be used to ``out``.

    Args:
        manifest: The manifest to check.
        out: The validated manifest: all rows, or the good ones with ``quarantine``.
        summary: HTML page with the verdict.
        docs: Folder of the Great Expectations Data Docs.
        params: Taxonomy and bounds of a good recording.
        quarantine: CSV for the bad rows and their reasons; a header alone if there are none. Without it, any problem
            fails the job.
        progress: Receives the recordings measured; None prints plain lines.

    Returns:
        ``out``.

    Raises:
        ValidationFailedError: The corpus has problems; the message lists them.
        OutputError: A file cannot be written.
    """
    given, failure = read_manifest(manifest), failure_beside(out)
    if given.taxonomy != params.taxonomy:
        say(
            f"validate: the manifest has taxonomy {given.taxonomy.name}; corpus.taxonomy ({params.taxonomy.name}) "
            "counts when a corpus is indexed"
        )
    outcome = expectations.validate(given, params=params, docs=docs, progress=progress or plain_lines())
    write_summary(outcome, summary)
    good, bad = outcome.quarantine()
    if not outcome.success and (quarantine is None or outcome.corpus_problems or good.rows.empty):
        remedy = _remedy(outcome, quarantined=quarantine is not None)
        problems = describe(outcome)
        with replacing(failure) as part:
            part.write_text(f"{problems.splitlines()[0]}; see {summary}\n", encoding="utf-8")
        raise ValidationFailedError(f"{problems}\n{remedy}; {summary} shows all problems")
    failure.unlink(missing_ok=True)
    if quarantine is not None:
        with replacing(quarantine) as part:
            bad.to_csv(part, index=False)
    write_manifest(good, out)
    if outcome.success:
        say(f"validate: {len(good.rows)} utterances meet all expectations; summary in {summary}")
    else:
        say(f"validate: {len(bad)} of {len(given.rows)} utterances set aside in {quarantine}; summary in {summary}")
    for note in outcome.notes:
        say(f"validate: {note}")
    for known in good.accepted:
        say(f"validate: accepted {known}")
    if empty := outcome.figures.empty_transcripts:
        say(f"validate: {empty} transcripts have no word (corpus.tags={good.tags}); text models see them as missing")
    if side := side_in_words(outcome.figures.confounds):
        say(f"validate: {side}")
    return out


def _remedy(outcome: ValidationOutcome, *, quarantined: bool) -> str:
    """Return the remedy for the problems; ``quarantined`` is True if bad utterances were to be set aside."""
    if outcome.corpus_problems:
        return "problems of the whole corpus cannot be set aside: correct the corpus"
    if quarantined:
        return "no utterance would be left: correct the corpus"
    return "correct the corpus, or set the bad utterances aside with --quarantine"
