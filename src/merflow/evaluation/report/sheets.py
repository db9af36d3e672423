"""The tables of a benchmark as plain cells, of which the page, Markdown and LaTeX are made: one table, one function.

A table that a run has no data for is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merflow.contracts.numerals import (
    DASH,
    interval,
    p_value,
    percent,
    plural,
    signed,
    signed_interval,
    spread,
    training_name,
)
from merflow.evaluation.report.notes import published, selection_rule, where
from merflow.evaluation.results import ranked
from merflow.evaluation.side_columns import missing_in_words

# Holm-adjusted p-values below this are set in bold.
ALPHA = 0.05
# Breakdowns in the order of the page, and what a group of each is.
BREAKDOWNS = {
    "setting": "scripted or improvised",
    "session": "session",
    "speaker": "speaker",
    "emotion": "emotion",
    "length": "length of the utterance",
}


@dataclass(frozen=True)
class Sheet:
    """One table.

    Attributes:
        key: Names it in links; unique in a report.
        note: What its figures are; a sentence or more.
        columns: Heads; the first column names the rows.
        rows: Cells, as many as there are columns.
        strong: Numbers of the rows that stand out.
        left: Numbers of the columns that are words, aligned left.
    """

    key: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = field(default=frozenset())
    left: frozenset[int] = field(default=frozenset({0}))


def leaderboard(results: Mapping[str, Any]) -> Sheet:
    """The variants by falling pooled UA, with the papers' own figures."""
    seeds = len(results["seeds"]) > 1
    rows = []
    for name in ranked(results):
        variant = results["variants"][name]
        rows.append(
            (
                name,
                percent(variant["UA"]["pooled"]),
                interval(variant["UA"]["ci95"]),
                spread(variant["UA"]),
                *([spread(variant["over_seeds"]["UA"])] if seeds else []),
                percent(variant["WA"]["pooled"]),
                interval(variant["WA"]["ci95"]),
                percent(variant["macro_f1"]),
                percent(variant["ece"]),
                published(variant["published"]),
            )
        )
    return Sheet(
        "results",
        "Results by variant",
        f"Percent, best first; {where(results)}. UA is mean recall over classes, WA accuracy, both over the test "
        "predictions of all folds together, with 95 % bootstrap intervals over dialogues. The last column quotes the "
        "papers: their corpus, encoders and choice of epoch may differ. Every epoch here: "
        f"{selection_rule(results)}.",
        (
            *("variant", "UA", "UA, 95 %", "UA by fold"),
            *(["UA by seed"] if seeds else []),
            *("WA", "WA, 95 %", "macro F1", "ECE", "paper, UA / WA"),
        ),
        tuple(rows),
    )


def comparisons(results: Mapping[str, Any]) -> Sheet | None:
    """Every pair once, the better first."""
    pairs = results["comparisons"]
    if not pairs:
        return None
    holm_too, seeds = "p_mcnemar_holm" in pairs[0], bool(pairs[0].get("over_seeds"))
    rows = [
        (
            pair["a"],
            pair["b"],
            signed(pair["delta_UA"]),
            signed_interval(pair["ci95"]),
            p_value(pair["p_holm"]),
            p_value(pair["p_bootstrap"]),
            p_value(pair["p_mcnemar"]),
            *([p_value(pair["p_mcnemar_holm"])] if holm_too else []),
            *([_points(pair["over_seeds"])] if seeds else []),
        )
        for pair in pairs
    ]
    return Sheet(
        "comparisons",
        "Comparisons",
        f"Difference of pooled UA in points over the same {results['resamples']} resamples of dialogues; p adjusted by "
        f"Holm over {plural(len(pairs), 'pair')}. McNemar's test compares WA and takes utterances as independent.",
        (
            *("higher", "lower", "ΔUA", "95 %", "p, Holm", "p, bootstrap", "p, McNemar"),
            *(["p, McNemar, Holm"] if holm_too else []),
            *(["ΔUA by seed"] if seeds else []),
        ),
        tuple(rows),
        strong=frozenset(place for place, pair in enumerate(pairs) if pair["p_holm"] < ALPHA),
        left=frozenset({0, 1}),
    )


def epoch_choice(results: Mapping[str, Any]) -> Sheet | None:
    """The honest figures beside those of the test-selected epochs."""
    rows = []
    for name in ranked(results):
        variant = results["variants"][name]
        biased = variant["none_paper"]
        if biased is None:
            continue
        rows.append(
            (
                name,
                percent(variant["UA"]["pooled"]),
                percent(biased["UA"]["pooled"]),
                signed(biased["bias"]["UA"]["pooled"]),
                signed_interval(biased["bias"]["UA"]["ci95"]),
                percent(biased["WA"]["pooled"]),
                signed(biased["bias"]["WA"]["pooled"]),
            )
        )
    if not rows:
        return None
    return Sheet(
        "bias",
        "What choosing on test data would add",
        "Some published code keeps the epoch with the best test score (none-paper). The same trainings, read that "
        "way: their UA and WA are not comparable with any honest figure, and no such model can be promoted. Percent; "
        "the bias in points.",
        ("variant", "UA, honest", "UA, test-selected", "bias of UA", "95 %", "WA, test-selected", "bias of WA"),
        tuple(rows),
    )


def by_fold(results: Mapping[str, Any]) -> Sheet:
    """UA of every training."""
    tests = sorted({(t["seed"], t["fold"]) for variant in results["variants"].values() for t in variant["folds"]})
    rows = []
    for name in ranked(results):
        found = {(test["seed"], test["fold"]): test["UA"] for test in results["variants"][name]["folds"]}
        rows.append((name, spread(results["variants"][name]["UA"]), *(percent(found.get(test)) for test in tests)))
    return Sheet(
        "by-fold",
        "By fold",
        "UA of every fold in percent, and their mean with the deviation.",
        ("variant", "mean", *(training_name({"fold": fold, "seed": seed}) for seed, fold in tests)),
        tuple(rows),
    )


def missing(results: Mapping[str, Any]) -> Sheet | None:
    """UA of the same models without some modalities."""
    variants = results["variants"]
    names = [name for name in ranked(results) if variants[name]["missing"]]
    sets = sorted(
        {gone for name in names for gone in variants[name]["missing"]},
        key=lambda gone: (gone.count("+"), "=" in gone, gone),
    )
    if not names:
        return None
    rows = []
    for name in names:
        without = variants[name]["missing"]
        cells = [_missing_cell(without[gone]) if gone in without else DASH for gone in sets]
        rows.append((name, percent(variants[name]["UA"]["pooled"]), *cells))
    return Sheet(
        "missing",
        "Without a modality",
        "Pooled UA of the same models when the test utterances lack a modality, or their other transcripts are read, "
        "and the change in points. Nothing was trained again.",
        ("variant", "nothing missing", *(" ".join(missing_in_words(gone)) for gone in sets)),
        tuple(rows),
    )


def breakdowns(results: Mapping[str, Any]) -> list[Sheet]:
    """UA by groups of test utterances, one table a way to group them."""
    variants = results["variants"]
    found = []
    for key, what in BREAKDOWNS.items():
        names = [name for name in ranked(results) if variants[name].get("breakdowns", {}).get(key)]
        if not names:
            continue
        groups = {group["group"]: group["utterances"] for name in names for group in variants[name]["breakdowns"][key]}
        rows = []
        for name in names:
            by_group = {group["group"]: group for group in variants[name]["breakdowns"][key]}
            cells = [_group_cell(by_group[group]) if group in by_group else DASH for group in groups]
            rows.append((name, percent(variants[name]["UA"]["pooled"]), *cells))
        found.append(
            Sheet(
                f"by-{key}",
                f"By {what}",
                "UA in percent, and in brackets its 95 % interval over the dialogues of the group; at the head, the "
                "group's test utterances. A group that lacks an emotion averages over those it has.",
                ("variant", "all", *(f"{group} ({count:,})" for group, count in groups.items())),
                tuple(rows),
            )
        )
    return found


def baselines(results: Mapping[str, Any]) -> Sheet | None:
    """What needs no model of emotion, with the best variant for comparison."""
    if not results.get("baselines"):
        return None
    best = ranked(results)[0]
    ua, wa = (results["variants"][best][figure] for figure in ("UA", "WA"))
    rows = [(best, percent(ua["pooled"]), interval(ua["ci95"]), percent(wa["pooled"]), "best variant")]
    for name, figures in results["baselines"].items():
        rows.append((name, percent(figures["UA"]), interval(figures["ci95"]), percent(figures["WA"]), figures["what"]))
    return Sheet(
        "baselines",
        "Beside baselines",
        "What the same test utterances give away without a model of emotion. Percent.",
        ("baseline", "UA", "95 %", "WA", "what it knows"),
        tuple(rows),
        strong=frozenset({0}),
        left=frozenset({0, 4}),
    )


def _points(figure: Mapping[str, Any]) -> str:
    deviation = "" if figure["std"] is None else f" ± {100 * figure['std']:.1f}"
    return f"{signed(figure['mean'])}{deviation}"


def _missing_cell(figures: Mapping[str, Any]) -> str:
    return f"{percent(figures['UA']['pooled'])} ({signed(figures['delta_UA'])})"


def _group_cell(group: Mapping[str, Any]) -> str:
    ends = group["ci95"]
    return percent(group["UA"]) + (f" ({interval(ends)})" if ends else "")
