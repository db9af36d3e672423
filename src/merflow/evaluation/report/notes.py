"""What is said beside a benchmark's figures: on what they are, how epochs were chosen, what was done otherwise."""

from collections.abc import Mapping
from typing import Any

from merflow.contracts.numerals import DASH, plural
from merflow.evaluation.results import ranked

_WORDS = {"truth": "true transcripts", "asr": "recognised words"}


def where(results: Mapping[str, Any]) -> str:
    """On what the figures are."""
    return f"{results['corpus']}, {results['protocol']}, {plural(results['utterances'], 'test utterance')}"


def selection_rule(results: Mapping[str, Any]) -> str:
    """How the epochs were chosen; with the variants' names where they differ."""
    rules: dict[str, list[str]] = {}
    for name in ranked(results):
        rules.setdefault(results["variants"][name]["selection"], []).append(name)
    return "; ".join(rule if len(rules) == 1 else f"{rule} ({', '.join(names)})" for rule, names in rules.items())


def published(figures: Mapping[str, float]) -> str:
    """The paper's own percentages as UA / WA."""
    if not figures.keys() & {"UA", "WA"}:
        return DASH
    return " / ".join(f"{figures[name]:g}" if name in figures else DASH for name in ("UA", "WA"))


def stage_note(variant: Mapping[str, Any]) -> str | None:
    """What was left out of a preset's training; None where all of it was done."""
    skipped = [stage for stage in variant["stages_of_preset"] if stage not in variant["stages"]]
    if not skipped:
        return None
    return f"only the {' and '.join(variant['stages'])} stage was run; the preset also asks for {', '.join(skipped)}"


def transcript_note(variant: Mapping[str, Any]) -> str | None:
    """Whose words were read where the preset asks for another's; None where they are those that it asks for."""
    read, asked = variant["transcripts"], variant["transcripts_of_preset"]
    if read == asked:
        return None
    return f"read {_WORDS.get(read, read)}; the preset asks for {_WORDS.get(asked, asked)}"
