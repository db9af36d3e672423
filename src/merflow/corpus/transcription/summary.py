"""What a transcription was made with and how good it is: as JSON, and as a Markdown page for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from merflow.corpus.manifest import Manifest
from merflow.corpus.transcription.recognition import Recognition
from merflow.corpus.transcription.whisper import Whisper
from merflow.corpus.transcription.word_errors import Heard, WordErrors, pooled
from merflow.corpus.validation.outcome import UNLABELLED

WORST = 20
FREQUENT = 20

NO_REFERENCE = "The corpus has no true transcripts, so there is no word error rate."
NO_WORDS = "No true transcript has a word to compare, so there is no word error rate."


@dataclass(frozen=True)
class Transcription:
    """A finished transcription.

    Attributes:
        before: The manifest that came in.
        after: The same with ``asr_transcript``.
        errors: None where the corpus has no true transcripts.
        normalizer: What was done to texts before they were compared, in words; None where nothing was compared.
    """

    before: Manifest
    after: Manifest
    whisper: Whisper
    recognition: Recognition
    errors: WordErrors | None
    normalizer: str | None

    def as_json(self) -> dict[str, Any]:
        """All of it but the texts, of which the worst are shown."""
        rows, found = self.after.rows, self.recognition
        return {
            "manifest": {"before": self.before.hash, "after": self.after.hash, "corpus": self.after.corpus},
            "model": _model(self.whisper),
            "utterances": {
                "all": len(rows),
                "transcribed": len(found.texts),
                "set_aside": len(found.set_aside),
                "without_recording": int(rows["audio_path"].isna().sum()),
                "empty": sum(not text for text in found.texts.values()),
            },
            "normalizer": self.normalizer,
            "errors": None if self.errors is None else _errors(self.errors),
        }


def summary_text(report: Mapping[str, Any]) -> str:
    """The report as Markdown."""
    model, counts = report["model"], report["utterances"]
    lines = [
        f"# Transcripts of {report['manifest']['corpus']}",
        "",
        f"- Model: {model['name']}" + (f", commit {model['revision']}" if model["revision"] else ""),
        f"- Files of the model: {model['digest']}; language {model['language'] or 'found by the model'}, "
        + ("greedy" if model["beams"] == 1 else f"{model['beams']} beams")
        + f", {model['dtype']}",
        f"- Manifest: {report['manifest']['before']} became {report['manifest']['after']}",
        f"- Utterances: {counts['transcribed']:,} of {counts['all']:,} transcribed, {counts['empty']:,} of them empty; "
        f"{counts['set_aside']:,} set aside, {counts['without_recording']:,} without a recording",
        "",
    ]
    if report["errors"] is None:
        return "\n".join([*lines, NO_REFERENCE, ""])
    return "\n".join([*lines, *_error_lines(report["errors"], normalizer=report["normalizer"])]).rstrip() + "\n"


def _model(whisper: Whisper) -> dict[str, Any]:
    return {
        "name": whisper.folder.name,
        "revision": whisper.folder.revision,
        "digest": whisper.folder.digest,
        "identity": whisper.identity,
        "language": whisper.language,
        "beams": whisper.params.beams,
        "max_new_tokens": whisper.params.max_new_tokens,
        "dtype": whisper.dtype,
    }


def _errors(errors: WordErrors) -> dict[str, Any]:
    compared = bool(errors.utterances)
    return {
        "overall": pooled(errors.utterances) if compared else None,
        "sessions": errors.rates(lambda heard: heard.session),
        "emotions": errors.rates(lambda heard: heard.emotion),
        "left_out": {
            "without_reference": errors.without_reference,
            "without_words": errors.without_words,
            "words_where_none": errors.words_where_none,
            "without_hypothesis": errors.without_hypothesis,
        },
        "worst": [_shown(heard) for heard in errors.worst(WORST)],
        "substitutions": [
            {"said": said, "heard": heard, "times": times} for (said, heard), times in _frequent(errors.substitutions)
        ],
        "deletions": [{"said": said, "times": times} for said, times in _frequent(errors.deletions)],
        "insertions": [{"heard": heard, "times": times} for heard, times in _frequent(errors.insertions)],
    }


def _frequent(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    """The most frequent, in alphabetical order among equals."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:FREQUENT]


def _shown(heard: Heard) -> dict[str, Any]:
    return {
        "utterance_id": heard.utterance_id,
        "wrong_words": heard.words.wrong,
        "wer": heard.words.rate,
        "reference": heard.reference,
        "hypothesis": heard.hypothesis,
    }


def _error_lines(errors: Mapping[str, Any], *, normalizer: str) -> list[str]:
    left_out = errors["left_out"]
    lines = [
        "## Errors",
        "",
        f"Texts pass {normalizer} before they are compared, and what then has neither",
        "letter nor digit (a stop that it leaves of an ellipsis) is no word. Rates are pooled: errors of all",
        "utterances over words (characters, with the spaces between words) of all references.",
        "",
        "Left out:",
        "",
        f"- {left_out['without_words']:,} utterance(s) whose true transcript has no word (tags, hesitations); "
        f"{left_out['words_where_none']:,} word(s) were heard there",
        f"- {left_out['without_reference']:,} without a true transcript",
        f"- {left_out['without_hypothesis']:,} that were not transcribed",
        "",
    ]
    if errors["overall"] is None:
        return [*lines, NO_WORDS]
    groups = [("all", errors["overall"]), *errors["sessions"].items()]
    emotions = sorted(errors["emotions"].items(), key=lambda entry: (entry[0] == UNLABELLED, entry[0]))
    return [
        *lines,
        *_table(_RATES, [_rates(name, figures) for name, figures in [*groups, *emotions]]),
        *_worst(errors["worst"]),
        *_words(errors),
    ]


_RATES = ("group", "WER", "CER", "utterances", "without error", "words", "replaced", "missed", "added")


def _rates(name: str, figures: Mapping[str, Any]) -> list[str]:
    words = figures["words"]
    total = words["hits"] + words["substitutions"] + words["deletions"]
    counts = (figures["utterances"], figures["exact"], total, words["substitutions"], words["deletions"])
    return [
        name,
        f"{figures['wer']:.2%}",
        f"{figures['cer']:.2%}",
        *(f"{count:,}" for count in (*counts, words["insertions"])),
    ]


def _worst(worst: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [each["utterance_id"], f"{each['wrong_words']:,}", f"{each['wer']:.0%}", each["reference"], each["hypothesis"]]
        for each in worst
    ]
    return ["## Utterances with most wrong words", "", *_table(("utterance", "wrong", "WER", "said", "heard"), rows)]


def _words(errors: Mapping[str, Any]) -> list[str]:
    replaced = [[each["said"], each["heard"], f"{each['times']:,}"] for each in errors["substitutions"]]
    missed = [[each["said"], f"{each['times']:,}"] for each in errors["deletions"]]
    added = [[each["heard"], f"{each['times']:,}"] for each in errors["insertions"]]
    return [
        *("## Words most often replaced", "", *_table(("said", "heard", "times"), replaced)),
        *("## Words most often missed", "", *_table(("said", "times"), missed)),
        *("## Words most often added", "", *_table(("heard", "times"), added)),
    ]


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["None.", ""]
    cells = [list(names), ["---"] * len(names), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [*("| " + " | ".join(row) + " |" for row in cells), ""]
