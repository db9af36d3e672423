"""Short phrases that a report repeats: the test data, the choice of epochs, deviations from a preset, power."""

from collections.abc import Mapping, Sequence

from merflow.contracts.comparisons import Power
from merflow.contracts.numerals import DASH, plural, quoted
from merflow.contracts.results import ComparedRuns, Evaluated, Results
from merflow.contracts.score_results import AnyResults, ComparedScoreRuns
from merflow.contracts.scores import Training, Variant

_TRANSCRIPTS = {"truth": "reference transcripts", "asr": "ASR transcripts"}


def where(results: Evaluated) -> str:
    """Return the corpus, the protocol and the number of test utterances."""
    return f"{results.corpus}, {results.protocol}, {plural(results.utterances, 'test utterance')}"


def tests_in_words(compared: ComparedRuns | ComparedScoreRuns) -> str:
    """Return the test data of compared runs, for example ``70 test utterances in 10 dialogues, 3 seeds each``."""
    seeds = len(compared.seeds)
    times = f", {seeds} seeds each" if seeds > 1 else ""
    return f"{plural(compared.utterances, 'test utterance')} in {plural(compared.dialogues, 'dialogue')}{times}"


def training_in_words(compared: ComparedRuns | ComparedScoreRuns) -> str:
    """Return the rules that chose the epochs of compared variants, and the notes on their regimes."""
    rules = sorted({str(variant.selection) for variant in compared.variants.values()})
    notes = {name: [note] for name in compared.ranked if (note := compared.variants[name].regime.note)}
    return f"Epochs chosen by: {'; or by '.join(rules)}. {told_by_variant(notes)}"


def selection_rule(results: AnyResults) -> str:
    """Return the rule that chose the epochs, with the names of the variants if they have different rules."""
    rules: dict[str, list[str]] = {}
    for name in results.ranked:
        rules.setdefault(str(results.variants[name].training.selection), []).append(name)
    return "; ".join(rule if len(rules) == 1 else f"{rule} ({', '.join(names)})" for rule, names in rules.items())


def published(variant: Variant, results: Results) -> str:
    """Return the paper's own percentages as UA / WA, with corpus and protocol if they differ from the run's."""
    said = quoted(variant.published, ("UA", "WA"), corpus=results.published_corpus, protocol=results.protocol)
    return said or DASH


def encoders_in_words(training: Training) -> str:
    """Return the encoders of a variant, by role."""
    if training.has_paper_encoders:
        return "the paper's encoders"
    cited: dict[str, list[str]] = {}
    for role, encoder in training.encoders.items():
        cited.setdefault(encoder, []).append(role)
    return "; ".join(f"{', '.join(roles)}: {encoder}" for encoder, roles in cited.items())


def encoders_note(results: AnyResults) -> str:
    """Return a sentence about the encoders of all variants together."""
    trainings = [results.variants[name].training for name in results.ranked]
    if all(training.has_paper_encoders for training in trainings):
        return "Encoders: the papers' own."
    cited = dict.fromkeys(encoder for training in trainings for encoder in training.encoders.values())
    return f"Encoders: {'; '.join(cited)}."


def inputs_in_words(inputs: str) -> str:
    """Return the name of a missing input, for example ``without audio + video`` or ``ASR transcripts``."""
    column, is_transcript, kind = inputs.partition("=")
    return _TRANSCRIPTS[kind] if is_transcript else f"without {column.replace('+', ' + ')}"


def deviations(training: Training) -> list[str]:
    """Return the differences between a training run and its preset; none if the preset was followed."""
    return [note for note in (training.regime.note, transcript_note(training)) if note is not None]


def told_by_variant(notes: Mapping[str, Sequence[str]]) -> str:
    """Return sentences such as ``a, b: encoders frozen; ...``; each note once, with the variants that it is about."""
    variants_of: dict[str, list[str]] = {}
    for name, each in notes.items():
        for note in each:
            variants_of.setdefault(note, []).append(name)
    return " ".join(f"{', '.join(names)}: {note}." for note, names in variants_of.items())


def all_deviations(results: AnyResults) -> str:
    """Return the deviations of every variant in sentences, the best variant first; empty if there are none."""
    return told_by_variant({name: deviations(results.variants[name].training) for name in results.ranked})


def transcript_note(training: Training) -> str | None:
    """Return the transcripts that were read instead of those that the preset asks for; None if they are the same."""
    if training.transcripts == training.transcripts_of_preset:
        return None
    read, preferred = (_named(kind) for kind in (training.transcripts, training.transcripts_of_preset))
    return f"trained on {read}; the preset asks for {preferred}"


def power_note(power: Power) -> str:
    """Return the difference that this test set can show, and what all of IEMOCAP could."""
    planned = power.planned
    whole = (
        f"All of IEMOCAP ({planned.utterances:,} utterances in {planned.dialogues} dialogues) would detect "
        f"{100 * planned.detectable_ua:.1f} points, if exactly one of the two variants is right on "
        f"{100 * planned.disagreement:.0f}% of the utterances."
    )
    if power.detectable_ua is None:
        return f"The power of this test set is unknown: it takes two variants and at least five dialogues. {whole}"
    return (
        f"With {power.utterances:,} test utterances in {power.dialogues} dialogues, a true UA difference of "
        f"{100 * power.detectable_ua:.1f} points between a typical pair of these variants is detected with a "
        f"probability of {100 * power.power:.0f}%. {whole}"
    )


def _named(kind: str | None) -> str:
    return " and ".join(_TRANSCRIPTS[part] for part in kind.split("+")) if kind else "no transcripts"
