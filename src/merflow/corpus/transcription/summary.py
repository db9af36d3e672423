"""The Markdown page of a transcription report."""

from collections.abc import Sequence

from merflow.contracts.taxonomy import UNLABELLED
from merflow.corpus.transcription.report import ErrorReport, TranscriptionReport, WorstUtterance
from merflow.corpus.transcription.word_errors import Rates

NO_REFERENCE = "The corpus has no reference transcripts, so there is no word error rate."
NO_WORDS = "No reference transcript contains a word, so there is no word error rate."

_RATES = ("group", "WER", "CER", "utterances", "without error", "words", "replaced", "missed", "added")


def summary_text(report: TranscriptionReport) -> str:
    """Return a report as Markdown."""
    model, counts = report.model, report.utterances
    lines = [
        f"# Transcripts of {report.manifest.corpus}",
        "",
        f"- Model: {model.name}" + (f", commit {model.revision}" if model.revision else ""),
        f"- Model files: digest {model.digest}; language {model.language or 'detected by the model'}, "
        + ("greedy search" if model.beams == 1 else f"{model.beams} beams")
        + f", {model.dtype}",
        f"- Manifest: {report.manifest.before} before, {report.manifest.after} after",
        f"- Utterances: {counts.transcribed:,} of {counts.all:,} transcribed, {counts.empty:,} of them without a word; "
        f"{counts.set_aside:,} set aside, {counts.without_recording:,} without a recording",
        "",
    ]
    if report.errors is None:
        return "\n".join([*lines, NO_REFERENCE, ""])
    return "\n".join([*lines, *_error_lines(report.errors, normalizer=report.normalizer)]).rstrip() + "\n"


def _error_lines(errors: ErrorReport, *, normalizer: str | None) -> list[str]:
    left_out = errors.left_out
    lines = [
        "## Errors",
        "",
        f"Both texts pass {normalizer} before they are compared. A token without a letter or digit",
        "doesn't count as a word. Rates are pooled: the errors of all utterances over the words (or the characters,",
        "spaces between words included) of all references.",
        "",
        "Left out:",
        "",
        f"- {left_out.without_words:,} utterance(s) whose reference transcript has no word (tags, hesitations); the "
        f"model",
        f"  added {left_out.words_where_none:,} word(s) there",
        f"- {left_out.without_reference:,} without a reference transcript",
        f"- {left_out.without_hypothesis:,} that were not transcribed",
        "",
    ]
    if errors.overall is None:
        return [*lines, NO_WORDS]
    emotions = sorted(errors.emotions.items(), key=lambda entry: (entry[0] == UNLABELLED, entry[0]))
    groups = [("all", errors.overall), *errors.sessions.items(), *emotions]
    return [
        *lines,
        *_table(_RATES, [_rates_row(name, rates) for name, rates in groups]),
        *_worst(errors.worst),
        *_words(errors),
    ]


def _rates_row(name: str, rates: Rates) -> list[str]:
    words = rates.words
    counts = (rates.utterances, rates.exact, words.reference, words.substitutions, words.deletions, words.insertions)
    return [name, f"{rates.wer:.2%}", f"{rates.cer:.2%}", *(f"{count:,}" for count in counts)]


def _worst(worst: Sequence[WorstUtterance]) -> list[str]:
    rows = [
        [each.utterance_id, f"{each.wrong_words:,}", f"{each.wer:.0%}", each.reference, each.hypothesis]
        for each in worst
    ]
    columns = ("utterance", "wrong words", "WER", "spoken", "recognized")
    return ["## Utterances with the most wrong words", "", *_table(columns, rows)]


def _words(errors: ErrorReport) -> list[str]:
    replaced = [[each.reference, each.hypothesis, f"{each.times:,}"] for each in errors.substitutions]
    missed = [[each.word, f"{each.times:,}"] for each in errors.deletions]
    added = [[each.word, f"{each.times:,}"] for each in errors.insertions]
    return [
        *("## Words most often replaced", "", *_table(("spoken", "recognized", "times"), replaced)),
        *("## Words most often missed", "", *_table(("spoken", "times"), missed)),
        *("## Words most often added", "", *_table(("recognized", "times"), added)),
    ]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["None.", ""]
    cells = [list(columns), ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*("| " + " | ".join(row) + " |" for row in cells), ""]
