"""A manifest and its media against their expectations."""

from pathlib import Path

from merflow.contracts.params import CorpusParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.manifest import read_manifest, write_manifest
from merflow.corpus.validation import expectations
from merflow.corpus.validation.confounds import side_in_words
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
    """Checks a manifest and writes the rows that may be used to ``out``.

    Args:
        manifest: The manifest to check.
        out: The validated manifest: all rows, or with ``quarantine`` the good ones.
        summary: One HTML page with the verdict.
        docs: Folder of the Great Expectations Data Docs.
        params: Taxonomy and bounds of a good recording.
        quarantine: CSV for the bad rows and their reasons, a header alone where there are none; without it, any
            problem fails the job.
        progress: Told of measured recordings.

    Raises:
        ValidationFailedError: With a list of what is wrong.
        OutputError: A file cannot be written.
    """
    found = read_manifest(manifest)
    outcome = expectations.validate(found, params=params, docs=docs, progress=progress or plain_lines())
    write_summary(outcome, summary)
    good, bad = outcome.quarantine()
    if not outcome.success and (quarantine is None or outcome.corpus_problems or good.rows.empty):
        remedy = _remedy(outcome, asked=quarantine is not None)
        raise ValidationFailedError(f"{expectations.describe(outcome)}\n{remedy}; all of it is in {summary}")
    if quarantine is not None:
        with replacing(quarantine) as part:
            bad.to_csv(part, index=False)
    write_manifest(good, out)
    if outcome.success:
        say(f"validate: {len(good.rows)} utterances meet every expectation; {summary}")
    else:
        say(f"validate: {len(bad)} of {len(found.rows)} utterances set aside in {quarantine}; {summary}")
    if side := side_in_words(outcome.figures.confounds):
        say(f"validate: {side}")
    return out


def _remedy(outcome: expectations.ValidationOutcome, *, asked: bool) -> str:
    """What whoever sees the problems can do; ``asked`` tells that bad utterances were to be set aside."""
    if outcome.corpus_problems:
        return "problems of the corpus as a whole cannot be set aside: mend it"
    if asked:
        return "no utterance would be left: mend the corpus"
    return "mend the corpus, or set the bad utterances aside with --quarantine"
